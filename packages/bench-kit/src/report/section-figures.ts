import { isDeepStrictEqual } from 'node:util'
import { heatMapsSvg } from '../pictures/heat-map.ts'
import type { TradeoffCurve } from '../pictures/tradeoff-curve.ts'
import { tradeoffPlotSvg } from '../pictures/tradeoff-plot.ts'
import type { Results } from '../result/read-results.ts'
import { printMethod, printSpec, type MethodRef } from '@qpkv/spec'
import { bytesOf, frontier, frontiersOf, type ByteCount } from './frontiers.ts'
import { heatMapsOf } from './heat-maps.ts'
import type { Figure } from './html-report.ts'
import { specBits, specKind } from './spec-kind.ts'
import type { SpecSummary } from './spec-summary.ts'

/** More rows than this and only those on a frontier get a heat map. */
const MAX_MAPS = 24

/** A picture with the name that its file gets. */
export interface NamedFigure extends Figure {
  readonly name: string
}

/** Frontiers at real and at nominal bytes, plots per pruner at either count that rows are budgeted by, and heat maps. */
export function sectionFigures(
  results: Results,
  summaries: readonly SpecSummary[],
  metric: string,
  subtitle: string,
): NamedFigure[] {
  const plot = (title: string, curves: readonly TradeoffCurve[], count: ByteCount) =>
    tradeoffPlotSvg({
      title,
      subtitle,
      curves,
      scoreLabel: metric,
      ...(count === 'nominal'
        ? { bytesLabel: 'nominal bytes: codes alone, as the papers count (logarithmic)' }
        : {}),
    })
  const pruners = [...new Set(summaries.map(({ spec }) => spec.spec.prune.method))].filter(
    (name) => name !== 'none',
  )
  const shared = summaries.filter(({ spec }) => spec.spec.prune.method === 'none')
  const perPruner = pruners.flatMap((pruner): NamedFigure[] => {
    const mine = summaries.filter(({ spec }) => spec.spec.prune.method === pruner)
    const about = pruners.length === 1 ? metric : `${pruner}: ${metric}`
    const nominal = mine.filter(isNominal)
    const real = mine.filter((row) => !isNominal(row))
    const figure = (name: string, rows: readonly SpecSummary[], count: ByteCount): NamedFigure[] =>
      rows.length === 0
        ? []
        : [
            {
              name,
              svg: plot(`${about} against ${count} bytes`, curvesOf([...shared, ...rows], count), count),
            },
          ]
    return [...figure(pruner, real, 'real'), ...figure(`${pruner}-nominal`, nominal, 'nominal')]
  })
  const frontiers = (['real', 'nominal'] as const).map((count): NamedFigure => ({
    name: `frontier-${count}`,
    svg: plot(`Best ${metric} of any method, at ${count} bytes`, frontiersOf(summaries, count), count),
    caption:
      count === 'real'
        ? 'Every point beats all cheaper ones of its kind. The best of many rows is chosen on these very samples, so frontiers look a little better than they are; all kinds alike.'
        : 'The same rows counted as the papers do: kept tokens at their code width, without scales, windows, padding and tables.',
  }))
  const shown = new Set(mapped(summaries).map(({ spec }) => spec.id))
  const lines = [...results.specs.values()].filter(({ id }) => shown.has(id))
  const maps = heatMapsOf(results.records, lines, metric)
  const heat =
    maps.length === 0
      ? []
      : [{ name: 'heatmaps', svg: heatMapsSvg(maps, { title: `${metric} by length and depth` }) }]
  if (pruners.length === 0)
    return [{ name: 'curves', svg: plot(`${metric} against real bytes`, curvesOf(shared), 'real') }, ...heat]
  return [...(pruners.length > 1 || summaries.length > 12 ? frontiers : []), ...perPruner, ...heat]
}

const isNominal = ({ spec }: SpecSummary) =>
  spec.spec.budget !== undefined && 'fp16Tokens' in spec.spec.budget

/** Joint curves per pruner and quantizer, prune-only per pruner, quantize-only per quantizer; options that differ stand in the label. */
export function curvesOf(summaries: readonly SpecSummary[], count: ByteCount = 'real'): TradeoffCurve[] {
  const curves = new Map<string, SpecSummary[]>()
  for (const summary of summaries) {
    const key = curveKey(summary)
    curves.set(key, [...(curves.get(key) ?? []), summary])
  }
  const keys = [...curves.keys()]
  const short = keys.map((key) => shortLabel(curves.get(key)?.[0]))
  const full = keys.map((key) => curveKey(curves.get(key)?.[0], sharedOptions(summaries)))
  return keys.map((key, i): TradeoffCurve => {
    const members = curves.get(key) ?? []
    const spec = members[0]?.spec.spec
    const kind = spec ? specKind(spec) : 'full'
    // A quantizer without the option, such as int8, has the width of its plans.
    const bits = spec && (specBits(spec) ?? members[0]?.bits?.nominal)
    const twice = short.filter((label) => label === short[i]).length > 1
    return {
      label: (twice ? full[i] : short[i]) ?? key,
      kind,
      ...(kind === 'joint' && bits !== undefined ? { bits } : {}),
      points: members.map((summary) => ({
        bytes: bytesOf(summary, count),
        score: summary.score,
        ...summary.interval,
        ...(kind === 'quantize' ? { label: widthOf(summary) } : {}),
      })),
    }
  })
}

const widthOf = ({ spec: { spec } }: SpecSummary): string => {
  const bits = specBits(spec)
  return bits === undefined ? printMethod(spec.quantize) : `${bits} bit`
}

/** Options, `snapkv.window`, that a method has in all of these rows with one value: no label says them. The width always is said. */
function sharedOptions(summaries: readonly SpecSummary[]): ReadonlySet<string> {
  const methods = summaries.flatMap(({ spec }) => [spec.spec.prune, spec.spec.quantize])
  return new Set(
    methods.flatMap((method) => {
      const alike = methods.filter((other) => other.method === method.method)
      const shared = Object.keys(method).filter(
        (name) => name !== 'bits' && alike.every((other) => isDeepStrictEqual(other[name], method[name])),
      )
      return shared.map((name) => `${method.method}.${name}`)
    }),
  )
}

/**
 * Everything that tells a curve's methods apart: all options but those left out, not the budget, and not the width that a quantize-only curve
 * runs over.
 */
function curveKey(summary: SpecSummary | undefined, leftOut: ReadonlySet<string> = new Set()): string {
  if (!summary) return ''
  const { spec } = summary.spec
  const text = (method: MethodRef) =>
    printMethod(
      Object.fromEntries(
        Object.entries(method).filter(
          ([name]) => name === 'method' || !leftOut.has(`${method.method}.${name}`),
        ),
      ) as MethodRef,
    )
  const { bits: _, ...rest } = spec.quantize
  // `#heads=query`, `#0-4:keyBits=8`
  const [, ...settings] = printSpec(spec).split('#')
  const key = {
    full: 'full cache',
    quantize: `${text(rest)} only`,
    prune: `${text(spec.prune)} only`,
    joint: `${text(spec.prune)} + ${text(spec.quantize)}`,
  }[specKind(spec)]
  return [key, ...settings].join(' #')
}

function shortLabel(summary: SpecSummary | undefined): string {
  if (!summary) return ''
  const { prune, quantize } = summary.spec.spec
  return {
    full: 'full cache',
    quantize: `${quantize.method} only`,
    prune: `${prune.method} only`,
    joint: `${prune.method} + ${widthOf(summary)}`,
  }[specKind(summary.spec.spec)]
}

function mapped(summaries: readonly SpecSummary[]): readonly SpecSummary[] {
  if (summaries.length <= MAX_MAPS) return summaries
  const kinds = ['full', 'quantize', 'prune', 'joint'] as const
  return kinds.flatMap((kind) => frontier(summaries, kind)).slice(0, MAX_MAPS)
}
