import { KvError } from '@qpkv/spec'
import type { SampleRecord } from '../result/record.ts'
import type { Results } from '../result/read-results.ts'
import { strataOf } from '../report/spec-summary.ts'
import { holm } from './holm.ts'
import { mean, type Interval } from './intervals.ts'
import { mcnemarExact, pairedShareInterval } from './mcnemar.ts'
import { designEffect, stratifiedMean } from './student.ts'

/** What is compared. */
export interface CompareOptions {
  /** Which score; must be in every answer of both sides. */
  readonly metric: string
  /** How many of the largest differences are listed. Default 10. */
  readonly worst?: number
}

/** B against A on the samples that both have. */
export interface Comparison {
  readonly a: string
  readonly b: string
  readonly metric: string
  readonly samples: number
  readonly meanA: number
  readonly meanB: number
  /** Mean of b - a per sample; where samples are of datasets or tasks, the mean over these of the mean within each. */
  readonly delta: number
  /**
   * 95 %. Scores of 0 or 1 with one answer a sample: `pairedShareInterval`, which never claims more than McNemar's test. Else Student's over samples, so that answers of
   * one text count together.
   */
  readonly interval: Interval
  /** Exact McNemar over answers; only for metrics that are 0 or 1. Answers of one text are taken as independent. */
  readonly mcnemar?: { readonly onlyA: number; readonly onlyB: number; readonly p: number }
  /** Two-sided: McNemar's where the interval is `pairedShareInterval`, else Student's over samples. NaN where one sample says nothing of the spread. */
  readonly p: number
  /** The same after Holm, where several rows are compared at once. */
  readonly pHolm?: number
  readonly answers: number
  /** See `designEffect`; of the differences. */
  readonly designEffect: number
  /** Where B loses most, then where it gains most is at the other end: sorted by b - a, ascending. */
  readonly worst: readonly SampleDelta[]
}

/** Mean scores of one sample on both sides, and b - a. */
export interface SampleDelta {
  readonly sample: string
  readonly a: number
  readonly b: number
  readonly delta: number
}

const scoreOf = (record: SampleRecord, metric: string): number => {
  const scores = record.answers.map((answer) => answer.scores[metric])
  if (scores.length > 0 && scores.every((score) => score !== undefined)) return mean(scores)
  const has = [...new Set(record.answers.flatMap((answer) => Object.keys(answer.scores)))]
  throw new KvError('KV_INVALID_OPTION', `Sample ${record.sample} has no score "${metric}".`, {
    hint: `Scores here: ${has.join(', ') || 'none'}.`,
  })
}

/** Compares two lists of records, sample by sample. Labels are for people. Throws KV_CONFLICT when no sample is in both. */
export function compareRecords(
  a: { readonly label: string; readonly records: readonly SampleRecord[] },
  b: { readonly label: string; readonly records: readonly SampleRecord[] },
  options: CompareOptions,
): Comparison {
  const { metric, worst = 10 } = options
  const bySample = new Map(b.records.map((record) => [record.sample, record]))
  const pairs = a.records.flatMap((record) => {
    const other = bySample.get(record.sample)
    return other ? [{ a: record, b: other }] : []
  })
  if (pairs.length === 0) {
    throw new KvError('KV_CONFLICT', `"${a.label}" and "${b.label}" have no sample in common.`, {
      hint: 'Compare runs of the same task with the same seed.',
    })
  }
  const deltas = pairs.map((pair): SampleDelta => {
    const [scoreA, scoreB] = [scoreOf(pair.a, metric), scoreOf(pair.b, metric)]
    return { sample: pair.a.sample, a: scoreA, b: scoreB, delta: scoreB - scoreA }
  })
  const bySampleId = new Map(deltas.map((one) => [one.sample, one.delta]))
  const strata = strataOf(pairs.map((pair) => pair.a)).map((members) =>
    members.map(({ sample }) => bySampleId.get(sample) ?? 0),
  )
  const { mean: delta, p, ...student } = stratifiedMean(strata)
  const mcnemar = pairedSplit(pairs, metric)
  const answers = pairs.reduce((sum, pair) => sum + pair.a.answers.length, 0)
  const exact = mcnemar !== undefined && strata.length === 1 && answers === pairs.length
  return {
    a: a.label,
    b: b.label,
    metric,
    samples: pairs.length,
    answers,
    meanA: mean(deltas.map((sample) => sample.a)),
    meanB: mean(deltas.map((sample) => sample.b)),
    delta,
    p: exact ? mcnemar.p : p,
    interval: exact ? pairedShareInterval(mcnemar.onlyA, mcnemar.onlyB, pairs.length) : student,
    designEffect: designEffect(pairs.map((pair) => differencesOf(pair, metric))),
    ...(mcnemar ? { mcnemar } : {}),
    worst: [...deltas].sort((x, y) => x.delta - y.delta).slice(0, worst),
  }
}

const differencesOf = (pair: { a: SampleRecord; b: SampleRecord }, metric: string): number[] => {
  const others = new Map(pair.b.answers.map((answer) => [answer.id, answer.scores[metric] ?? 0]))
  return pair.a.answers.map((answer) => (others.get(answer.id) ?? 0) - (answer.scores[metric] ?? 0))
}

function pairedSplit(pairs: readonly { a: SampleRecord; b: SampleRecord }[], metric: string) {
  let onlyA = 0
  let onlyB = 0
  for (const pair of pairs) {
    const others = new Map(pair.b.answers.map((answer) => [answer.id, answer.scores[metric]]))
    for (const answer of pair.a.answers) {
      const [x, y] = [answer.scores[metric], others.get(answer.id)]
      if ((x !== 0 && x !== 1) || (y !== 0 && y !== 1)) return undefined
      if (x > y) onlyA += 1
      if (y > x) onlyB += 1
    }
  }
  return { onlyA, onlyB, p: mcnemarExact(onlyA, onlyB) }
}

/**
 * Compares two result files: every spec that both have, against itself; if each has one spec, those two, whatever they are.
 * @throws KvError KV_CONFLICT when there is nothing to compare.
 */
export function compareResults(a: Results, b: Results, options: CompareOptions): Comparison[] {
  const side = (results: Results, id: string) => ({
    label: `${results.specs.get(id)?.label ?? id} (${results.path})`,
    records: results.records.filter((record) => record.spec === id),
  })
  const shared = [...a.specs.keys()].filter((id) => b.specs.has(id))
  if (shared.length > 0)
    return withHolm(shared.map((id) => compareRecords(side(a, id), side(b, id), options)))
  const [onlyA, moreA] = [...a.specs.keys()]
  const [onlyB, moreB] = [...b.specs.keys()]
  if (onlyA !== undefined && onlyB !== undefined && moreA === undefined && moreB === undefined) {
    return [compareRecords(side(a, onlyA), side(b, onlyB), options)]
  }
  throw new KvError('KV_CONFLICT', `${a.path} and ${b.path} have no spec in common.`, {
    hint: 'Two files with one spec each are compared as they are; otherwise at least one spec must be in both.',
  })
}

/** Adjusts the tests of several rows for each other; rows without a test count for nothing. */
export function withHolm(comparisons: readonly Comparison[]): Comparison[] {
  const tested = comparisons.filter(({ p }) => !Number.isNaN(p))
  if (tested.length < 2) return [...comparisons]
  const adjusted = holm(tested.map(({ p }) => p))
  return comparisons.map((one) => {
    const at = tested.indexOf(one)
    return at < 0 ? one : { ...one, pHolm: adjusted[at] ?? 1 }
  })
}
