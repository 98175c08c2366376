import { SeededRandom } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { sentence, WorldRandom } from '@qpkv/reference-model'
import { parseSpec, printSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { tuneBits, tuningText } from '../src/index.ts'
import { chooseBits, type Choice } from '../src/tune/choose-bits.ts'
import { specOfBits } from '../src/tune/layer-bits.ts'
import { randomModel } from './support/random-model.ts'

/** Every way to choose, one after the other. */
function leastError(tensors: readonly (readonly Choice<number>[])[], budget: number): number {
  const [first, ...rest] = tensors
  if (!first) return budget >= 0 ? 0 : Infinity
  return Math.min(...first.map(({ bytes, error }) => error + leastError(rest, budget - bytes)))
}

describe('chooseBits', () => {
  it('finds the least error that any way has within the budget', () => {
    const random = new SeededRandom(4)
    for (let round = 0; round < 60; round++) {
      const tensors = Array.from({ length: 1 + random.below(6) }, () =>
        [8, 4, 3, 2].map((width) => ({
          width,
          bytes: width * (1 + random.below(5)),
          error: random.unit() / width,
        })),
      )
      const budget = random.below(130)
      const least = leastError(tensors, budget)
      const chosen = chooseBits(tensors, budget)
      if (least === Infinity) {
        expect(chosen).toBeUndefined()
        continue
      }
      const taken = tensors.map((choices, i) => choices.find(({ width }) => width === chosen?.[i]))
      expect(taken.reduce((sum, one) => sum + (one?.error ?? NaN), 0)).toBeCloseTo(least, 12)
      expect(taken.reduce((sum, one) => sum + (one?.bytes ?? NaN), 0)).toBeLessThanOrEqual(budget)
    }
  })
})

describe('specOfBits', () => {
  it('joins neighbours, in a text that reads back', () => {
    const bits = [4, 4, 2].map((width) => ({ keyBits: width as 4 | 2, valueBits: 2 as const }))
    const spec = specOfBits({ method: 'kivi' }, bits)
    expect(printSpec(spec)).toBe('none+kivi#0-2:keyBits=4,valueBits=2#2-3:keyBits=2,valueBits=2')
    expect(parseSpec(printSpec(spec))).toEqual(spec)
  })
})

describe('tuneBits', { timeout: 120_000 }, () => {
  const random = new WorldRandom('tune')
  const text = Array.from({ length: 500 }, () => ` ${sentence(random)}`).join('')

  it('takes bits from a layer that has no say and gives them to others, which shows on text that it has not seen', async () => {
    await using model = await loadModel(randomModel(5, 1), { methods: registry, threads: 2 })
    const tuning = await tuneBits(model, {
      text,
      registry,
      quantize: { method: 'kivi', recent: 8 },
      measure: 192,
      calibrated: 4,
      judged: 5,
    })
    for (const { layer, error } of tuning.errors) expect(error > 1e-6).toBe(layer !== 1)
    expect(tuning.tuned.bytes).toBeLessThanOrEqual(tuning.uniform.bytes)
    expect(tuning.tuned.kl).toBeLessThan(0.8 * tuning.uniform.kl)
    expect(tuning.difference.high).toBeLessThan(0)
    const idle = tuning.tuned.spec.layers?.find(({ from = 0, to = 0 }) => from <= 1 && to > 1)
    expect([idle?.keyBits, idle?.valueBits]).toEqual([2, 2])
    expect(tuning.spec).toEqual(tuning.tuned.spec)
    expect(tuningText(tuning)).toContain(`recommended: ${printSpec(tuning.spec)}`)
    await using context = await model.prefill(
      Array.from({ length: 192 }, (_, i) => 20 + i),
      { compression: { recipe: tuning.recipe } },
    )
    expect(context.report.bytes.planned).toBe(tuning.tuned.bytes)
    const again = await tuneBits(model, {
      text,
      registry,
      quantize: { method: 'kivi', recent: 8 },
      measure: 192,
      calibrated: 4,
      judged: 5,
    })
    expect(again).toEqual(tuning)
  })

  it('refuses what it cannot do', async () => {
    await using model = await loadModel(randomModel(5), { methods: registry, threads: 1 })
    const refused = (options: object, code: string) =>
      expect(tuneBits(model, { text, registry, measure: 128, ...options })).rejects.toMatchObject({ code })
    await refused({ text: 'too short' }, 'KV_DATA')
    await refused({ bits: 5 }, 'KV_INVALID_OPTION')
    await refused({ widths: [] }, 'KV_INVALID_OPTION')
    await refused({ width: [2] }, 'KV_INVALID_OPTION')
    await refused({ quantize: { method: 'nosuch' } }, 'KV_UNKNOWN_METHOD')
  })
})
