/**
 * Exact one-dimensional k-means: the centers of least weighted squared error, by dynamic programming over the sorted points with
 * divide and conquer (the best split never moves left when a point is added). O(k n log n) time, O(k n) memory.
 * Returns `k` ascending centers; fewer distinct points than `k` repeat the last one.
 */
export function kmeans(points: ArrayLike<number>, k: number, weights?: ArrayLike<number>): number[] {
  const sorted = mergeEqual(points, weights)
  const n = sorted.values.length
  if (n === 0) return []
  const clusters = Math.min(k, n)
  const cost = segmentCost(sorted)
  let previous = Float64Array.from({ length: n }, (_, j) => cost(0, j))
  const starts: Int32Array[] = []
  for (let c = 1; c < clusters; c++) {
    const current = new Float64Array(n).fill(Infinity)
    const start = new Int32Array(n)
    fillRow(previous, current, start, cost, c, n - 1, c, n - 1)
    starts.push(start)
    previous = current
  }
  const centers: number[] = []
  for (let c = clusters - 1, end = n - 1; c >= 0; c--) {
    const from = c === 0 ? 0 : starts[c - 1]![end]!
    centers.unshift(meanOf(sorted, from, end))
    end = from - 1
  }
  while (centers.length < k) centers.push(centers.at(-1)!)
  return centers
}

/** Weighted squared distance of every point to its nearest center. */
export function weightedError(
  points: ArrayLike<number>,
  centers: readonly number[],
  weights?: ArrayLike<number>,
): number {
  let sum = 0
  for (let i = 0; i < points.length; i++) {
    let best = Infinity
    for (const center of centers) best = Math.min(best, (points[i]! - center) ** 2)
    sum += best * (weights?.[i] ?? 1)
  }
  return sum
}

interface Sorted {
  readonly values: Float64Array
  /** Running sums of weight, weight x value and weight x value^2; index i holds the sum of points before i. */
  readonly weight: Float64Array
  readonly first: Float64Array
  readonly second: Float64Array
}

function mergeEqual(points: ArrayLike<number>, weights: ArrayLike<number> | undefined): Sorted {
  const order = Array.from({ length: points.length }, (_, i) => i)
    .filter((i) => (weights?.[i] ?? 1) > 0)
    .sort((a, b) => points[a]! - points[b]!)
  const values: number[] = []
  const mass: number[] = []
  for (const i of order) {
    const x = points[i]!
    if (values.at(-1) === x) mass[mass.length - 1]! += weights?.[i] ?? 1
    else {
      values.push(x)
      mass.push(weights?.[i] ?? 1)
    }
  }
  const running = (of: (i: number) => number) => {
    const sums = new Float64Array(values.length + 1)
    for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i]! + of(i)
    return sums
  }
  return {
    values: Float64Array.from(values),
    weight: running((i) => mass[i]!),
    first: running((i) => mass[i]! * values[i]!),
    second: running((i) => mass[i]! * values[i]! ** 2),
  }
}

const between = (sums: Float64Array, from: number, to: number) => sums[to + 1]! - sums[from]!
const meanOf = (s: Sorted, from: number, to: number) =>
  between(s.first, from, to) / between(s.weight, from, to)

/** Squared error of points from..to (both included) around their mean. */
const segmentCost = (s: Sorted) => (from: number, to: number) =>
  Math.max(0, between(s.second, from, to) - between(s.first, from, to) ** 2 / between(s.weight, from, to))

/** current[j] = min over i of previous[i - 1] + cost(i, j), for j in low..high, knowing that i lies in from..to. */
function fillRow(
  previous: Float64Array,
  current: Float64Array,
  start: Int32Array,
  cost: (from: number, to: number) => number,
  low: number,
  high: number,
  from: number,
  to: number,
): void {
  if (low > high) return
  const j = (low + high) >> 1
  let best = from
  for (let i = from; i <= Math.min(j, to); i++) {
    const error = previous[i - 1]! + cost(i, j)
    if (error < current[j]!) {
      current[j] = error
      best = i
    }
  }
  start[j] = best
  fillRow(previous, current, start, cost, low, j - 1, from, best)
  fillRow(previous, current, start, cost, j + 1, high, best, to)
}
