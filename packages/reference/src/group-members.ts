import type { PackedFormat } from '@qpkv/spec'

/** Indices into [tokens, headDim] that share one scale. */
export function groupMembers(
  format: PackedFormat,
  row: number,
  column: number,
  tokens: number,
  headDim: number,
): number[] {
  const from = row * format.group
  const to = Math.min(from + format.group, format.scalePer === 'channel' ? tokens : headDim)
  return Array.from({ length: to - from }, (_, i) =>
    format.scalePer === 'channel' ? (from + i) * headDim + column : column * headDim + from + i,
  )
}
