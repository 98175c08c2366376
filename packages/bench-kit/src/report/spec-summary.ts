import type { Results } from '../result/read-results.ts'
import type { SampleRecord, SpecLine } from '../result/record.ts'
import { bootstrapMean, mean, wilsonInterval, type Interval } from '../stats/intervals.ts'

/** Quality and cost of one spec over a file's samples. */
export interface SpecSummary {
  readonly spec: SpecLine
  readonly samples: number
  readonly answers: number
  /** Mean over answers. */
  readonly score: number
  /** 95 %: Wilson's where every score is 0 or 1, else bootstrapped over samples. */
  readonly interval: Interval
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
    return records.length === 0 ? [] : [summarize(spec, records, metric)]
  })
}

function summarize(spec: SpecLine, records: readonly SampleRecord[], metric: string): SpecSummary {
  const perSample = records.map(({ answers }) => answers.map(({ scores }) => scores[metric] ?? Number.NaN))
  const scores = perSample.flat()
  const of = (value: (record: SampleRecord) => number) => mean(records.map(value))
  const binary = scores.every((score) => score === 0 || score === 1)
  const right = scores.filter((score) => score === 1).length
  const widths = records.flatMap(({ bits }) => bits ?? [])
  const perSecond = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0)
  return {
    spec,
    samples: records.length,
    answers: scores.length,
    score: mean(scores),
    interval: binary
      ? wilsonInterval(right, scores.length)
      : bootstrapMean(
          perSample.map((sample) => mean(sample)),
          { resamples: 2000 },
        ),
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
