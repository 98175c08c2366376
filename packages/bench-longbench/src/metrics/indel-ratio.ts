/** Length of the longest common subsequence of two lists of code points; one table row at a time. */
function lcsLength(a: readonly string[], b: readonly string[]): number {
  let above = new Uint32Array(b.length + 1)
  let row = new Uint32Array(b.length + 1)
  for (const point of a) {
    for (let j = 1; j <= b.length; j++) {
      row[j] = point === b[j - 1] ? (above[j - 1] ?? 0) + 1 : Math.max(above[j] ?? 0, row[j - 1] ?? 0)
    }
    ;[above, row] = [row, above]
  }
  return above[b.length] ?? 0
}

/**
 * Similarity by insertions and deletions, 0..1: (lengths - distance) / lengths over code points, where a substitution
 * costs two; the `ratio` of python-Levenshtein. Two empty texts are equal.
 */
export function indelRatio(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)]
  const total = left.length + right.length
  if (total === 0) return 1
  const distance = total - 2 * lcsLength(left, right)
  return (total - distance) / total
}
