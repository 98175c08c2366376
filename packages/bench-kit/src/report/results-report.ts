import { formatBytes, KvError, printMethod, printSpec } from '@qpkv/spec'
import { heatMapCells, heatMapsSvg, type HeatMap } from '../pictures/heat-map.ts'
import { tradeoffPlotSvg, type TradeoffCurve } from '../pictures/tradeoff-plot.ts'
import type { Results } from '../result/read-results.ts'
import type { Report, ReportSection, Table } from './html-report.ts'
import { specBits, specKind } from './spec-kind.ts'
import { summarizeSpecs, type SpecSummary } from './spec-summary.ts'

export interface ResultsReportOptions {
  readonly title?: string
  /** Which score is shown. Default: the first of each file. */
  readonly metric?: string
}

/**
 * One page for any result files: per model and file a table, quality against real bytes with prune-only, quantize-only and joint curves,
 * and heat maps where samples have a length and a depth.
 * @throws KvError KV_DATA without any record
 */
export function resultsReport(files: readonly Results[], options: ResultsReportOptions = {}): Report {
  const sections = [...files]
    .sort((a, b) => (modelName(a) < modelName(b) ? -1 : modelName(a) > modelName(b) ? 1 : 0))
    .flatMap((results) => fileSections(results, options.metric))
  if (sections.length === 0) {
    throw new KvError('KV_DATA', `Nothing to report: no records in ${files.length} result files.`, {
      hint: 'Point to a folder of .jsonl files that a qpkv benchmark wrote.',
    })
  }
  const unique = (values: readonly string[]) => [...new Set(values)].join(', ')
  const headers = files.map(({ header }) => header)
  return {
    title: options.title ?? 'Quality against real bytes',
    facts: [
      ['Models', unique(headers.map(({ identity }) => identity.model.name))],
      ['Benchmarks', unique(headers.map(({ identity }) => identity.bench))],
      ['Machines', unique(headers.map(({ machine }) => `${machine.cpu}, ${machine.cores} cores`))],
      ['Records', files.reduce((sum, { records }) => sum + records.length, 0).toLocaleString('en-US')],
      ['Failed samples', String(files.reduce((sum, { failures }) => sum + failures.length, 0))],
    ],
    sections,
    footer: files.map(({ path, header }) => `${path} (run ${header.runId})`).join(' · '),
  }
}

const modelName = ({ header }: Results) => header.identity.model.name

/** One section per protocol of a file, or one for the file. */
function fileSections(results: Results, wanted: string | undefined): ReportSection[] {
  const protocols = [...new Set(results.records.map(({ facets }) => facets['protocol']))]
  return protocols.flatMap((protocol) => {
    const part = {
      ...results,
      records: results.records.filter(({ facets }) => facets['protocol'] === protocol),
    }
    const metric = wanted ?? firstMetric(part)
    const summaries = metric === undefined ? [] : summarizeSpecs(part, metric)
    if (metric === undefined || summaries.length === 0) return []
    const { identity } = results.header
    const name = [
      identity.model.name,
      identity.bench,
      ...(protocol === undefined ? [] : [String(protocol)]),
    ].join(', ')
    const plot = tradeoffPlotSvg({
      title: `${metric} against real bytes`,
      subtitle: name,
      curves: curvesOf(summaries),
      scoreLabel: metric,
    })
    const maps = heatMapsOf(part, metric)
    return [
      {
        title: name,
        tables: [tableOf(summaries, metric), ...specTable(summaries)],
        figures: [
          { svg: plot },
          ...(maps.length === 0
            ? []
            : [{ svg: heatMapsSvg(maps, { title: `${metric} by length and depth` }) }]),
        ],
      },
    ]
  })
}

const firstMetric = ({ records }: Results) => Object.keys(records[0]?.answers[0]?.scores ?? {})[0]

/** Joint curves per pruner and width, prune-only per pruner and width, quantize-only per quantizer. */
export function curvesOf(summaries: readonly SpecSummary[]): TradeoffCurve[] {
  const curves = new Map<string, TradeoffCurve & { points: TradeoffCurve['points'][number][] }>()
  for (const summary of summaries) {
    const { spec } = summary.spec
    const kind = specKind(spec)
    const bits = specBits(spec)
    const width = bits === undefined ? printMethod(spec.quantize) : `${bits} bit`
    const label = {
      full: 'full cache',
      quantize: `${spec.quantize.method} only`,
      prune: `${spec.prune.method} only`,
      joint: `${spec.prune.method} + ${width}`,
    }[kind]
    const curve = curves.get(label) ?? {
      label,
      kind,
      ...(kind === 'joint' && bits !== undefined ? { bits } : {}),
      points: [],
    }
    const { bytesPlanned: bytes, score, interval } = summary
    curve.points.push({ bytes, score, ...interval, ...(kind === 'quantize' ? { label: width } : {}) })
    curves.set(label, curve)
  }
  return [...curves.values()]
}

function tableOf(summaries: readonly SpecSummary[], metric: string): Table {
  const right = (title: string) => ({ title, align: 'right' }) as const
  const whole = (value: number) => Math.round(value).toLocaleString('en-US')
  return {
    columns: [
      { title: 'row' },
      { title: metric },
      right('95 % interval'),
      right('answers'),
      right('tokens kept'),
      right('bits'),
      right('true bits'),
      right('planned'),
      right('allocated'),
      right('of full'),
      right('prefill tok/s'),
      right('decode tok/s'),
      right('peak RSS'),
    ],
    rows: summaries.map((summary) => ({
      cells: [
        summary.spec.label,
        { text: summary.score.toFixed(3), share: summary.score },
        `${summary.interval.low.toFixed(3)} to ${summary.interval.high.toFixed(3)}`,
        whole(summary.answers),
        whole(summary.tokensKept),
        summary.bits ? String(Number(summary.bits.nominal.toFixed(1))) : '',
        summary.bits ? summary.bits.true.toFixed(2) : '',
        formatBytes(Math.round(summary.bytesPlanned)),
        formatBytes(Math.round(summary.bytesAllocated)),
        `${((100 * summary.bytesPlanned) / summary.bytesFull).toFixed(1)} %`,
        whole(summary.prefillTokensPerSecond),
        whole(summary.decodeTokensPerSecond),
        summary.peakRssBytes > 0 ? formatBytes(summary.peakRssBytes) : '',
      ],
    })),
  }
}

/** What the labels stand for, unless they say it themselves. */
function specTable(summaries: readonly SpecSummary[]): Table[] {
  const rows = summaries.map(({ spec }) => ({ cells: [spec.label, printSpec(spec.spec)] }))
  const said = rows.every(({ cells }) => cells[0] === cells[1])
  return said ? [] : [{ columns: [{ title: 'row' }, { title: 'spec' }], rows }]
}

/** Per spec, where answers or samples say length and depth. */
function heatMapsOf(results: Results, metric: string): HeatMap[] {
  const values = results.records.flatMap((record) =>
    record.answers.map((answer) => {
      const facets = { ...record.facets, ...answer.facets }
      const { length, depth } = { length: Number(facets['length']), depth: Number(facets['depth']) }
      return { spec: record.spec, length, depth, score: answer.scores[metric] ?? Number.NaN }
    }),
  )
  const placed = values.filter(({ length, depth }) => !Number.isNaN(length) && !Number.isNaN(depth))
  const ascending = (numbers: readonly number[]) => [...new Set(numbers)].sort((a, b) => a - b)
  const [lengths, depths] = [ascending(placed.map((v) => v.length)), ascending(placed.map((v) => v.depth))]
  if (lengths.length === 0 || depths.length * lengths.length > 5000) return []
  return [...results.specs.values()].flatMap((line) => {
    const mine = placed.filter(({ spec }) => spec === line.id)
    return mine.length === 0
      ? []
      : [{ title: line.label, lengths, depths, scores: heatMapCells(mine, lengths, depths) }]
  })
}
