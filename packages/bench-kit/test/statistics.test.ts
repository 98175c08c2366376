import { describe, expect, it } from 'vitest'
import { bootstrapMean, mcnemarExact, mean, median, SeededRandom, wilsonInterval } from '../src/index.ts'

describe('statistics', () => {
  it("Wilson's interval has the published values", () => {
    // Newcombe (1998), table I: 81 of 263 and 15 of 148.
    expect(wilsonInterval(81, 263).low).toBeCloseTo(0.2553, 4)
    expect(wilsonInterval(81, 263).high).toBeCloseTo(0.3662, 4)
    expect(wilsonInterval(15, 148).low).toBeCloseTo(0.0624, 4)
    expect(wilsonInterval(15, 148).high).toBeCloseTo(0.1605, 4)
    expect(wilsonInterval(0, 20)).toEqual({ low: 0, high: expect.closeTo(0.1611, 4) as number })
    expect(wilsonInterval(20, 20).high).toBe(1)
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 })
  })

  it('the exact McNemar test is the two-sided sign test', () => {
    expect(mcnemarExact(0, 0)).toBe(1)
    expect(mcnemarExact(5, 5)).toBe(1)
    expect(mcnemarExact(0, 6)).toBeCloseTo(2 / 64, 10)
    expect(mcnemarExact(1, 9)).toBeCloseTo((2 * 11) / 1024, 10)
    expect(mcnemarExact(9, 1)).toBe(mcnemarExact(1, 9))
    expect(mcnemarExact(400, 600)).toBeLessThan(1e-9)
  })

  it('the bootstrap interval is near the normal one, and the same for the same seed', () => {
    const random = new SeededRandom(5)
    const values = Array.from({ length: 400 }, () => random.unit())
    const { low, high } = bootstrapMean(values, { resamples: 4000 })
    const halfWidth = 1.96 * Math.sqrt(1 / 12 / 400)
    expect(low).toBeCloseTo(mean(values) - halfWidth, 2)
    expect(high).toBeCloseTo(mean(values) + halfWidth, 2)
    expect(bootstrapMean(values, { resamples: 100, seed: 3 })).toEqual(
      bootstrapMean(values, { resamples: 100, seed: 3 }),
    )
    expect(bootstrapMean([1, 1, 1])).toEqual({ low: 1, high: 1 })
    expect(bootstrapMean([]).low).toBeNaN()
  })

  it('mean and median', () => {
    expect([mean([1, 2, 6]), median([6, 1, 2]), median([4, 1, 2, 3])]).toEqual([3, 2, 2.5])
    expect([mean([]), median([])]).toEqual([NaN, NaN])
  })

  it('seeded numbers stay what they are and shuffle fairly', () => {
    const random = new SeededRandom(1)
    expect([random.below(1000), random.below(1000), random.below(1000)]).toEqual([627, 2, 527])
    const first = Array.from({ length: 3000 }, (_, i) => new SeededRandom(i).shuffle([0, 1, 2])[0])
    for (const item of [0, 1, 2]) expect(first.filter((x) => x === item).length).toBeGreaterThan(900)
  })
})
