import { describe, expect, it } from 'vitest'
import {
  bootstrapMean,
  designEffect,
  holm,
  mcnemarExact,
  mean,
  median,
  pairedShareInterval,
  SeededRandom,
  stratifiedMean,
  wilsonInterval,
} from '../src/index.ts'
import { studentQuantile } from '../src/stats/student.ts'

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

  it('the interval of a paired difference never claims more than the test', () => {
    for (let total = 1; total <= 40; total++)
      for (let onlyA = 0; onlyA <= total; onlyA++) {
        const { low, high } = pairedShareInterval(onlyA, total - onlyA, 60)
        if (low > 0 || high < 0) expect(mcnemarExact(onlyA, total - onlyA)).toBeLessThan(0.05)
      }
    // A case that a bootstrap got wrong: of 20 pairs seven differ.
    expect(mcnemarExact(1, 6)).toBeCloseTo(0.125, 3)
    const { low, high } = pairedShareInterval(1, 6, 20)
    expect(low).toBeLessThan(0)
    expect(high).toBeGreaterThan(0.25)
    expect(pairedShareInterval(0, 0, 20).high).toBeCloseTo(0.161, 3)
  })

  it('a paired interval covers the truth at n = 20', () => {
    const random = new SeededRandom(3)
    let covered = 0
    for (let run = 0; run < 1000; run++) {
      let onlyA = 0
      let onlyB = 0
      for (let i = 0; i < 20; i++) {
        const draw = random.unit()
        if (draw < 0.1) onlyA++
        else if (draw < 0.4) onlyB++
      }
      const { low, high } = pairedShareInterval(onlyA, onlyB, 20)
      if (low <= 0.2 && high >= 0.2) covered++
    }
    expect(covered / 1000).toBeGreaterThan(0.93)
  })

  it("Student's quantiles are those of the tables, and the stratified mean weighs strata alike", () => {
    expect([1, 4, 19, 1000].map((degrees) => studentQuantile(degrees))).toEqual(
      [12.706, 2.776, 2.093, 1.962].map((value) => expect.closeTo(value, 2) as number),
    )
    const values = [1, 2, 3, 4, 5]
    const half = 2.776 * Math.sqrt(2.5 / 5)
    expect(stratifiedMean([values])).toEqual({
      mean: 3,
      low: expect.closeTo(3 - half, 2) as number,
      high: expect.closeTo(3 + half, 2) as number,
      p: expect.closeTo(0.0132, 4) as number, // t = 4.243 with 4 degrees of freedom
    })
    expect(stratifiedMean([[0, 0, 0]]).p).toBe(1)
    expect(stratifiedMean([[1, -1, 2, -2]]).p).toBeCloseTo(1, 10)
    expect(stratifiedMean([[0, 0, 0, 0], [1]]).mean).toBe(0.5)
    expect(stratifiedMean([[1]]).low).toBeNaN()
    // With 2 degrees of freedom p is 1 - t / sqrt(t^2 + 2), near 1 / t^2: small, and never below 0.
    const spread = Math.sqrt(3) * 1e-9
    expect(stratifiedMean([[1 - spread, 1, 1 + spread]]).p / 1e-18).toBeCloseTo(1, 4)
    // Forty answers, none right: as far as Clopper and Pearson's interval of 0 of 40.
    const none = stratifiedMean(
      Array.from({ length: 8 }, () => [0, 0, 0, 0, 0]),
      { low: 0, high: 1 },
    )
    expect(none).toEqual({ mean: 0, low: 0, high: expect.closeTo(0.0881, 4) as number, p: 1 })
    expect(
      stratifiedMean(
        [
          [0.5, 0.5],
          [1, 1],
        ],
        { low: 0, high: 1 },
      ).low,
    ).toBeLessThan(0.75)
    // Three differences of the same size are not yet a finding.
    expect(stratifiedMean([[0.2, 0.2, 0.2]]).p).toBe(0.25)
    expect(designEffect([[1], [0], [1]])).toBe(1)
  })

  it('Holm multiplies the smallest p by the number of tests and never turns the order round', () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06])
    expect(holm([0.5, 0.9])).toEqual([1, 1])
    expect(holm([])).toEqual([])
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
