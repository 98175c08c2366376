import { KvError } from '@qpkv/spec'
import type { SampleRecord } from '../result/record.ts'
import type { Results } from '../result/read-results.ts'
import { bootstrapMean, mean, type Interval } from './intervals.ts'
import { mcnemarExact } from './mcnemar.ts'

/** What is compared. */
export interface CompareOptions {
  /** Which score; must be in every answer of both sides. */
  readonly metric: string
  readonly seed?: number
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
  /** Mean of b - a per sample, with a paired bootstrap interval (samples are resampled, answers of one sample stay together). */
  readonly delta: number
  readonly interval: Interval
  /** Exact McNemar over answers; only for metrics that are 0 or 1. */
  readonly mcnemar?: { readonly onlyA: number; readonly onlyB: number; readonly p: number }
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
  const { metric, seed = 1, worst = 10 } = options
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
  const differences = deltas.map(({ delta }) => delta)
  const mcnemar = pairedSplit(pairs, metric)
  return {
    a: a.label,
    b: b.label,
    metric,
    samples: pairs.length,
    meanA: mean(deltas.map((sample) => sample.a)),
    meanB: mean(deltas.map((sample) => sample.b)),
    delta: mean(differences),
    interval: bootstrapMean(differences, { seed }),
    ...(mcnemar ? { mcnemar } : {}),
    worst: [...deltas].sort((x, y) => x.delta - y.delta).slice(0, worst),
  }
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
  if (shared.length > 0) return shared.map((id) => compareRecords(side(a, id), side(b, id), options))
  const [onlyA, moreA] = [...a.specs.keys()]
  const [onlyB, moreB] = [...b.specs.keys()]
  if (onlyA !== undefined && onlyB !== undefined && moreA === undefined && moreB === undefined) {
    return [compareRecords(side(a, onlyA), side(b, onlyB), options)]
  }
  throw new KvError('KV_CONFLICT', `${a.path} and ${b.path} have no spec in common.`, {
    hint: 'Two files with one spec each are compared as they are; otherwise at least one spec must be in both.',
  })
}
