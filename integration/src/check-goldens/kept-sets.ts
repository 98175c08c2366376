import type { Recorded } from './next-layer.ts'

/** Sets must be equal where they are unique; else what differs must tie at the boundary by the recorded scores. */
export function compareKeptSets(
  ours: readonly Int32Array[],
  theirs: readonly Int32Array[],
  recorded: Recorded,
): string | undefined {
  const { test, arrays } = recorded
  const names = ['scores', 'base_scores'].filter((one) => one in test.arrays)
  for (const [i, kept] of theirs.entries()) {
    const own = new Set(ours[i])
    if (own.size !== kept.length) return `list ${i} keeps ${own.size}, theirs ${kept.length}`
    const missing = [...kept].filter((t) => !own.has(t))
    if (missing.length === 0) continue
    const unique = test.kept_set_unique[Math.min(i, test.kept_set_unique.length - 1)] ?? true
    if (unique || names.length === 0) return `list ${i}: token ${missing[0]} is missing`
    const known = new Set(kept)
    const extra = [...own].filter((t) => !known.has(t))
    // Of what ties in the base score their first stage takes any, and marks it in the other.
    const ties = names.map((name) => {
      const width = arrays(name).length / theirs.length
      const row = arrays(name).subarray(i * width, (i + 1) * width)
      const [low, high] = [Math.min(...missing.map((t) => row[t]!)), Math.max(...extra.map((t) => row[t]!))]
      return { low, high, tie: Math.abs(low - high) <= 4e-5 * Math.max(Math.abs(low), Math.abs(high)) }
    })
    if (ties.some(({ tie }) => tie)) continue
    const { low, high } = ties[0]!
    return `list ${i}: token ${missing[0]} is missing, which is worth ${low}, not ${high}`
  }
  return undefined
}
