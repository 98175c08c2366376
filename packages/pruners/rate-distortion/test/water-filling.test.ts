import { expect, test } from 'vitest'
import { codeDistortion } from '../src/index.ts'
import { HeadCurve, type HeadFacts } from '../src/head-curve.ts'
import { waterFilling } from '../src/water-filling.ts'

/** Widths 4 and 2; a token takes as many units as its width has bits, without blocks. */
const widths = [4, 2]
const errors = widths.map(codeDistortion)
function facts(importance: readonly number[], more: Partial<HeadFacts> = {}): HeadFacts {
  const sorted = Float64Array.from(importance).sort().reverse()
  const sums = new Float64Array(sorted.length + 1)
  for (const [i, x] of sorted.entries()) sums[i + 1] = sums[i]! + x
  return {
    importance: { sorted, sums },
    errors,
    reserved: 0,
    least: 0,
    most: sorted.length,
    rateOf: (counts) => counts.reduce((sum, n, k) => sum + n * widths[k]!, 0),
    slopes: widths,
    ...more,
  }
}
const steep = Array.from({ length: 64 }, (_, i) => 2 ** -(i / 2))
const flat = Array.from({ length: 64 }, () => 0.01)
const share = (heads: readonly HeadFacts[], budget: number) => {
  const choices = waterFilling(
    heads.map((head) => new HeadCurve(head)),
    budget,
  )
  return { choices: choices!, distortion: choices!.reduce((sum, { distortion }) => sum + distortion, 0) }
}

test('the best tokens of a head lie in the wide tier, the next in the narrow one, the others nowhere', () => {
  const { choices } = share([facts(steep)], 100)
  const [wide, narrow] = choices[0]!.counts
  expect(wide).toBeGreaterThan(0)
  expect(narrow).toBeGreaterThan(0)
  expect(wide! + narrow!).toBeLessThan(64)
  expect(choices[0]!.rate).toBeLessThanOrEqual(100)
})

test('no shares of two heads are much better, tried one by one', () => {
  const heads = [facts(steep), facts(steep.map((x) => 0.1 * x))]
  const budget = 160
  const { distortion } = share(heads, budget)
  // All counts of two tiers and two heads in steps of 4 that fit.
  const alone = heads.map((head) => {
    const all: { rate: number; distortion: number }[] = []
    for (let wide = 0; wide <= 64; wide += 4)
      for (let narrow = 0; wide + narrow <= 64; narrow += 4) {
        const { sums } = head.importance
        const lost =
          sums.at(-1)! -
          (1 - errors[0]!) * sums[wide]! -
          (1 - errors[1]!) * (sums[wide + narrow]! - sums[wide]!)
        all.push({ rate: head.rateOf([wide, narrow]), distortion: lost })
      }
    return all
  })
  let least = Infinity
  for (const a of alone[0]!)
    for (const b of alone[1]!)
      if (a.rate + b.rate <= budget) least = Math.min(least, a.distortion + b.distortion)
  const nothing = heads.reduce((sum, { importance }) => sum + importance.sums.at(-1)!, 0)
  // Theirs may be finer than blocks of 16 and ours finer than steps of 4: within 1 % of what there is to lose.
  expect(distortion - least).toBeLessThan(0.01 * nothing)
})

test('a head that matters more gets more, and the fewest tokens are kept', () => {
  const { choices } = share(
    [
      facts(steep),
      facts(
        flat.map((x) => x * 1e-3),
        { least: 5 },
      ),
    ],
    120,
  )
  expect(choices[1]!.counts).toEqual([0, 5])
  expect(choices[0]!.rate).toBeGreaterThan(80)
})

test('tokens that are worth nothing in particular are shared out when there is budget left', () => {
  const { choices } = share([facts(flat), facts(flat)], 2 * 64 * 4)
  expect(choices.map(({ counts }) => counts)).toEqual([
    [64, 0],
    [64, 0],
  ])
})

test('protected tokens come first and count as places', () => {
  const { choices } = share([facts(steep, { reserved: 16, most: 80, least: 16 })], 40)
  const kept = choices[0]!.counts.reduce((sum, n) => sum + n, 0)
  expect(kept).toBeGreaterThanOrEqual(16)
  expect(choices[0]!.rate).toBeLessThanOrEqual(40)
})

test('a budget below the fewest tokens is none', () => {
  expect(waterFilling([new HeadCurve(facts(steep, { least: 30 }))], 50)).toBeUndefined()
})

test('errors of codes fall with their bits', () => {
  const all = [1, 2, 3, 4, 8, 16].map(codeDistortion)
  expect(all).toEqual([...all].sort((a, b) => b - a))
  expect(codeDistortion(2)).toBe(0.1175)
  expect(codeDistortion(2.5)).toBeCloseTo(Math.sqrt(0.1175 * 0.03454), 6)
  expect(codeDistortion(8)).toBeCloseTo(4.15e-5, 6)
})
