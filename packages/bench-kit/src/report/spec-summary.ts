import type { Results } from '../result/read-results.ts'
import type { SampleRecord, SpecLine } from '../result/record.ts'
import { mean, wilsonInterval, type Interval } from '../stats/intervals.ts'
import { designEffect, stratifiedMean } from '../stats/student.ts'

/** Quality and cost of one spec over a file's samples. */
export interface SpecSummary {
  readonly spec: SpecLine
  readonly samples: number
  readonly answers: number
  /** Mean over answers; where samples are of datasets or tasks, the mean over these of the mean within each, as the official scores. */
  readonly score: number
  /** 95 %: Wilson's where every score is 0 or 1, else Student's over samples, within datasets or tasks where there are any. */
  readonly interval: Interval
  /** How much less the answers of one text say than as many independent ones; 1: no less. */
  readonly designEffect: number
  readonly promptTokens: number
  readonly tokensKept: number
  readonly bits: { readonly nominal: number; readonly true: number } | undefined
  readonly bytesPlanned: number
  readonly bytesAllocated: number
  readonly bytesFull: number
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  readonly peakRssBytes: number
}

/** One line per spec, in the order of the file; specs without a score of this name are left out. */
export function summarizeSpecs(results: Results, metric: string): SpecSummary[] {
  return [...results.specs.values()].flatMap((spec) => {
    const records = results.records.filter(
      (record) => record.spec === spec.id && record.answers.some(({ scores }) => metric in scores),
    )
    return records.length === 0 ? [] : [summarizeSpec(spec, records, metric)]
  })
}

/** Quality and cost of a spec over its records, at least one. */
export function summarizeSpec(spec: SpecLine, records: readonly SampleRecord[], metric: string): SpecSummary {
  const scoresOf = ({ answers }: SampleRecord) => answers.map(({ scores }) => scores[metric] ?? Number.NaN)
  const perSample = records.map(scoresOf)
  const scores = perSample.flat()
  const of = (value: (record: SampleRecord) => number) => mean(records.map(value))
  const effect = designEffect(perSample)
  const { score, interval } = scoreOf(records, perSample, effect, scoresOf)
  const widths = records.flatMap(({ bits }) => bits ?? [])
  const perSecond = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0)
  return {
    spec,
    samples: records.length,
    answers: scores.length,
    score,
    interval,
    designEffect: effect,
    promptTokens: of(({ promptTokens }) => promptTokens),
    tokensKept: of(({ tokensKept }) => tokensKept),
    bits:
      widths.length === 0
        ? undefined
        : {
            nominal: mean(widths.map(({ nominal }) => nominal)),
            true: mean(widths.map((width) => width.true)),
          },
    bytesPlanned: of(({ bytes }) => bytes.planned),
    bytesAllocated: of(({ bytes }) => bytes.allocated),
    bytesFull: of(({ bytes }) => bytes.full),
    prefillTokensPerSecond: perSecond(
      of(({ promptTokens }) => promptTokens),
      of(({ timings }) => timings.prefillMs),
    ),
    decodeTokensPerSecond: perSecond(
      of(({ timings }) => timings.decodeTokens),
      of(({ timings }) => timings.decodeMs),
    ),
    peakRssBytes: Math.max(0, ...records.map(({ peakRssBytes }) => peakRssBytes ?? 0)),
  }
}

function scoreOf(
  records: readonly SampleRecord[],
  perSample: readonly (readonly number[])[],
  effect: number,
  scoresOf: (record: SampleRecord) => readonly number[],
): { readonly score: number; readonly interval: Interval } {
  const strata = strataOf(records).map((members) => members.map((record) => mean(scoresOf(record))))
  const scores = perSample.flat()
  if (strata.length === 1 && scores.every((score) => score === 0 || score === 1)) {
    const right = scores.filter((score) => score === 1).length
    return { score: mean(scores), interval: wilsonInterval(right / effect, scores.length / effect) }
  }
  const inside = scores.every((one) => one >= 0 && one <= 1)
  const { mean: score, low, high } = stratifiedMean(strata, inside ? { low: 0, high: 1 } : undefined)
  const within = (value: number) => (inside ? Math.min(1, Math.max(0, value)) : value)
  return { score, interval: { low: within(low), high: within(high) } }
}

/** Samples that the official scores average first: those of one dataset, or of one task at one length. */
export function strataOf(records: readonly SampleRecord[]): SampleRecord[][] {
  const strata = new Map<string, SampleRecord[]>()
  for (const record of records) {
    const { dataset, task, length } = record.facets
    const key = JSON.stringify([dataset ?? null, task ?? null, task === undefined ? null : (length ?? null)])
    strata.set(key, [...(strata.get(key) ?? []), record])
  }
  return [...strata.values()]
}
