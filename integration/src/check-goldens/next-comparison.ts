/** A score of ours beside an array of theirs: columns `from` to `to` of every row count. */
export interface Comparison {
  readonly array: string
  readonly ours: Float32Array
  readonly tokens: number
  readonly from: number
  readonly to: number
  /** Error relative to each value, or to the largest, as scores that cross zero need. */
  readonly relative: 'each' | 'largest'
  /** Their rows begin with column `from`. */
  readonly cut?: boolean
  readonly bound?: number
}

/** The first value that is too far off, in words. */
export function compare(comparison: Comparison, theirs: Float32Array): string | undefined {
  const { array, ours, tokens, from, to, relative, cut = false, bound = 1e-4 } = comparison
  const width = cut ? to - from : tokens
  const rows = ours.length / tokens
  if (theirs.length !== rows * width) return `${array}: ${theirs.length} values for ${rows * width}`
  const largest = theirs.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  for (let row = 0; row < rows; row++)
    for (let t = from; t < to; t++) {
      const [x, y] = [ours[row * tokens + t]!, theirs[row * width + (cut ? t - from : t)]!]
      const allowed = bound * (relative === 'largest' ? largest : Math.max(Math.abs(y), 1e-12))
      if (!(Math.abs(x - y) <= allowed)) return `${array}: row ${row}, token ${t}: ours ${x}, theirs ${y}`
    }
  return undefined
}
