/** Positions of every code point of `b`; from 200 on, those that make up over 1 % of it are left out ("autojunk"). */
function indexPositions(b: readonly string[]): Map<string, number[]> {
  const positions = new Map<string, number[]>()
  b.forEach((point, at) => {
    const list = positions.get(point)
    if (list) list.push(at)
    else positions.set(point, [at])
  })
  if (b.length >= 200) {
    const popular = Math.floor(b.length / 100) + 1
    for (const [point, list] of positions) if (list.length > popular) positions.delete(point)
  }
  return positions
}

interface Span {
  aFrom: number
  aTo: number
  bFrom: number
  bTo: number
}

/** Longest run common to the two spans that starts at an indexed code point, then grown to both sides over any. */
function longestMatch(
  a: readonly string[],
  b: readonly string[],
  positions: ReadonlyMap<string, readonly number[]>,
  span: Span,
): { i: number; j: number; size: number } {
  let [i, j, size] = [span.aFrom, span.bFrom, 0]
  let endingAt = new Map<number, number>() // length of the run that ends at (previous row, column)
  for (let row = span.aFrom; row < span.aTo; row++) {
    const next = new Map<number, number>()
    for (const column of positions.get(a[row] ?? '') ?? []) {
      if (column < span.bFrom) continue
      if (column >= span.bTo) break
      const run = (endingAt.get(column - 1) ?? 0) + 1
      next.set(column, run)
      if (run > size) [i, j, size] = [row - run + 1, column - run + 1, run]
    }
    endingAt = next
  }
  while (i > span.aFrom && j > span.bFrom && a[i - 1] === b[j - 1]) {
    i--
    j--
    size++
  }
  while (i + size < span.aTo && j + size < span.bTo && a[i + size] === b[j + size]) size++
  return { i, j, size }
}

/**
 * `difflib.SequenceMatcher(None, a, b).ratio()` of Python over code points, 0..1: twice the matched length over the sum
 * of lengths. Not symmetric; long texts lose their frequent characters, which can turn 0.9 into almost 0.
 */
export function difflibRatio(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)]
  const total = left.length + right.length
  if (total === 0) return 1
  const positions = indexPositions(right)
  const spans: Span[] = [{ aFrom: 0, aTo: left.length, bFrom: 0, bTo: right.length }]
  let matched = 0
  for (let span = spans.pop(); span; span = spans.pop()) {
    const { i, j, size } = longestMatch(left, right, positions, span)
    if (size === 0) continue
    matched += size
    if (span.aFrom < i && span.bFrom < j) spans.push({ aFrom: span.aFrom, aTo: i, bFrom: span.bFrom, bTo: j })
    if (i + size < span.aTo && j + size < span.bTo) {
      spans.push({ aFrom: i + size, aTo: span.aTo, bFrom: j + size, bTo: span.bTo })
    }
  }
  return (2 * matched) / total
}
