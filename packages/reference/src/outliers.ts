import { outlierCapacity, TILE_TOKENS, type PackedFormat } from '@qpkv/spec'
import { groupMembers } from './group-members.ts'

/** What is coded, and which of it takes no part in its group's range. By the rule `beyond` an exact value is a 0 like any other. */
export function setAside(
  source: Float32Array,
  outliers: Uint8Array,
  format: PackedFormat,
): { readonly x: Float32Array; readonly aside: Uint8Array } {
  if (format.outlierRule === undefined) return { x: source, aside: outliers }
  return { x: source.map((v, i) => (outliers[i] === 1 ? 0 : v)), aside: new Uint8Array(outliers.length) }
}

/**
 * Values kept exactly: per tile at most ceil(fraction * tokens * headDim), those that stick
 * out most; ties take the earlier token, then the lower channel. The rule `beyond` never takes
 * one within its threshold, so it may take fewer.
 */
export function markOutliers(
  x: Float32Array,
  tokens: number,
  headDim: number,
  format: PackedFormat,
): Uint8Array {
  const marks = new Uint8Array(tokens * headDim)
  if (format.outliers === 0) return marks
  const rule = format.outlierRule
  const size = rule ? sizesBeyond(x, rule.threshold) : deviations(x, tokens, headDim, format)
  for (let tile = 0; tile < tokens; tile += TILE_TOKENS) {
    const count = Math.min(TILE_TOKENS, tokens - tile)
    const capacity = outlierCapacity(format.outliers, count, headDim)
    const order = Array.from({ length: count * headDim }, (_, i) => tile * headDim + i)
      .sort((a, b) => size[b]! - size[a]! || a - b)
      .slice(0, capacity)
    for (const i of order) if (!rule || size[i]! > 0) marks[i] = 1
  }
  return marks
}

/** [tokens, headDim] sizes, 0 for those within the threshold. */
const sizesBeyond = (x: Float32Array, threshold: number): Float64Array =>
  Float64Array.from(x, (v) => (Math.abs(v) > threshold ? Math.abs(v) : 0))

/** [tokens, headDim] distances from the mean of the group, in units of its mean absolute deviation. */
function deviations(x: Float32Array, tokens: number, headDim: number, format: PackedFormat): Float64Array {
  const distance = new Float64Array(tokens * headDim)
  const rows = Math.ceil((format.scalePer === 'channel' ? tokens : headDim) / format.group)
  const columns = format.scalePer === 'channel' ? headDim : tokens
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const members = groupMembers(format, row, column, tokens, headDim)
      const mean = members.reduce((sum, i) => sum + x[i]!, 0) / members.length
      const spread = members.reduce((sum, i) => sum + Math.abs(x[i]! - mean), 0) / members.length
      for (const i of members) distance[i] = spread === 0 ? 0 : Math.abs(x[i]! - mean) / spread
    }
  return distance
}
