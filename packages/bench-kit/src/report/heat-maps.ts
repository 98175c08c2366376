import { heatMapCells, type HeatMap } from '../pictures/heat-map.ts'
import type { SampleRecord, SpecLine } from '../result/record.ts'

/** A heat map per row, where answers or samples say length and depth. None where there are too many cells to see. */
export function heatMapsOf(
  records: readonly SampleRecord[],
  rows: readonly Pick<SpecLine, 'id' | 'label'>[],
  metric: string,
): HeatMap[] {
  const values = records.flatMap((record) =>
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
  return rows.flatMap(({ id, label }) => {
    const mine = placed.filter(({ spec }) => spec === id)
    return mine.length === 0
      ? []
      : [
          {
            title: label,
            subtitle: countText(mine, lengths, depths),
            lengths,
            depths,
            scores: heatMapCells(mine, lengths, depths),
          },
        ]
  })
}

/** `n = 5 a cell`, or `n = 3 to 5`. */
function countText(
  values: readonly { readonly length: number; readonly depth: number }[],
  lengths: readonly number[],
  depths: readonly number[],
): string {
  const counts = depths
    .flatMap((depth) =>
      lengths.map((length) => values.filter((one) => one.length === length && one.depth === depth).length),
    )
    .filter((count) => count > 0)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return least === most ? `n = ${least} a cell` : `n = ${least} to ${most} a cell`
}
