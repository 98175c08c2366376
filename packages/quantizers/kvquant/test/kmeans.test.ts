import { randomNumbers, randomValues } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { kmeans, normalFloatLevels, weightedError } from '../src/index.ts'

/** Least error over all ways to cut sorted points into k runs. */
function bruteForce(points: number[], weights: number[], k: number): number {
  const order = [...points.keys()].sort((a, b) => points[a]! - points[b]!)
  const cost = (run: number[]) => {
    const mass = run.reduce((sum, i) => sum + weights[i]!, 0)
    const mean = run.reduce((sum, i) => sum + weights[i]! * points[i]!, 0) / mass
    return run.reduce((sum, i) => sum + weights[i]! * (points[i]! - mean) ** 2, 0)
  }
  const best = (from: number, left: number): number => {
    if (left === 1) return cost(order.slice(from))
    let least = Infinity
    for (let cut = from + 1; cut <= order.length - left + 1; cut++)
      least = Math.min(least, cost(order.slice(from, cut)) + best(cut, left - 1))
    return least
  }
  return best(0, k)
}

test('k-means is exact: no way to cut the points is better', () => {
  for (let seed = 0; seed < 20; seed++) {
    const next = randomNumbers(seed)
    const points = Array.from({ length: 11 }, () => next() * 4 - 2)
    const weights = Array.from({ length: 11 }, () => next() + 0.01)
    for (const k of [1, 2, 3, 4]) {
      const centers = kmeans(points, k, weights)
      expect(centers).toHaveLength(k)
      expect(centers).toEqual([...centers].sort((a, b) => a - b))
      expect(weightedError(points, centers, weights)).toBeCloseTo(bruteForce(points, weights, k), 9)
    }
  }
})

test('few distinct points, weights of zero and nothing at all', () => {
  expect(kmeans([2, 2, 5], 4)).toEqual([2, 5, 5, 5])
  expect(kmeans([1, 9], 1, [1, 0])).toEqual([1])
  expect(kmeans([], 4)).toEqual([])
})

test('16k points into 256 centers take well under ten seconds', () => {
  const points = randomValues(16384, 3)
  const began = performance.now()
  expect(kmeans(points, 256)).toHaveLength(256)
  expect(performance.now() - began).toBeLessThan(10_000)
})

test('normal-float levels are symmetric, ascending and end at 1', () => {
  for (const bits of [1, 2, 3, 4, 8]) {
    const levels = normalFloatLevels(bits)
    expect(levels).toHaveLength(2 ** bits)
    expect(levels.at(-1)).toBe(1)
    levels.forEach((x, i) => expect(x).toBe(-levels[levels.length - 1 - i]!))
    expect(levels).toEqual([...levels].sort((a, b) => a - b))
  }
  // Quantiles of the normal distribution: P(X < 0.6745) = 0.75, P(X < 1.1503) = 0.875, P(X < 0.3186) = 0.625.
  expect(normalFloatLevels(2)[2]).toBeCloseTo(0.31864 / 1.15035, 4)
})
