import { expect, test } from 'vitest'
import { finalPlan, planBytes, resolve } from '../src/index.ts'
import { model, prompt, window, packed, errorOf } from './resolve-support.ts'

test('sliding-window layers offer only what is still visible', () => {
  const sliding = { ...model, slidingWindow: [null, 100, null, 100] }
  const { plan } = resolve({ budget: { tokens: 300 }, prune: window() }, undefined, sliding, prompt)
  expect(plan.layers.map((layer) => layer.tokens.perHead)).toEqual([300, 100, 300, 100])
})

test('heads: query stores per query head, counted', () => {
  const at = (heads: 'kv' | 'query') =>
    resolve({ heads, budget: { tokens: 64 }, prune: window() }, undefined, model, prompt)
  expect(at('query').bytes).toBe(2 * at('kv').bytes)
  expect(at('query').plan.heads).toBe('query')
})

test('nonsense facts and overrides beyond the model are refused', () => {
  expect(() => resolve({}, undefined, { ...model, kvHeads: 3 }, prompt)).toThrow(/queryHeads/)
  expect(() => resolve({}, undefined, model, { tokens: 0 })).toThrow(/prompt.tokens/)
  expect(() => resolve({}, undefined, model, { tokens: 5, userEnd: 6 })).toThrow(/userEnd/)
  expect(errorOf({ layers: [{ from: 0, to: 5, tokens: 3 }] }).message).toContain('layers[0].to')
})

test('the final plan holds what was kept and its bytes add up', () => {
  const { plan } = resolve(
    { budget: { tokens: 128 }, prune: window(), quantize: packed() },
    undefined,
    model,
    prompt,
  )
  const kept = plan.layers.map(() => [128, 60])
  const final = finalPlan(plan, kept)
  expect(final.layers[0]).toMatchObject({ tokens: { perHead: 128 }, kept: [128, 60] })
  expect(planBytes(final, model)).toEqual(planBytes(plan, model, kept))
  expect(planBytes(final, model).total).toBeLessThan(planBytes(plan, model).total)
})

test('the float32 mode counts elements and metadata in four bytes', () => {
  const at = (precision: 'bf16' | 'f16' | 'f32') => resolve({}, undefined, model, prompt, { precision })
  expect(at('f32').bytes).toBe(2 * at('bf16').bytes)
  expect(at('f16').bytes).toBe(at('bf16').bytes)
})
