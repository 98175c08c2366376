import { expect, test } from 'vitest'
import { finalPlan, meanTokens, planBytes, resolve, type SpecInput } from '../src/index.ts'
import { model, prompt, window, packed, errorOf } from './resolve-support.ts'

const sliding = { ...model, slidingWindow: [null, 100, null, 100] }
const perHead = (spec: SpecInput, facts = sliding) =>
  resolve(spec, undefined, facts, prompt).plan.layers.map((layer) => meanTokens(layer.tokens.perHead))

test('where all layers have a sliding window, they offer only what is still visible', () => {
  const all = { ...model, slidingWindow: [100, 100, 100, 100] }
  expect(perHead({ budget: { tokens: 80 }, prune: window() }, all)).toEqual([80, 80, 80, 80])
  expect(perHead({ budget: { tokens: 300 }, prune: window() }, all)).toEqual([100, 100, 100, 100])
})

test('windowed layers beside others keep their window, and tokens are shared among the others', () => {
  expect(perHead({ budget: { tokens: 50 }, prune: window() })).toEqual([50, 100, 50, 100])
  expect(perHead({ budget: { tokens: 300 }, prune: window() })).toEqual([300, 100, 300, 100])
  expect(perHead({ budget: { fraction: 0.25 }, prune: window() })).toEqual([512, 100, 512, 100])
  const packed4 = { budget: { fp16Tokens: 64 }, prune: window(), quantize: packed() }
  expect(perHead(packed4)).toEqual([256, 100, 256, 100])
  const { plan, windowedLayers, spentNominal } = resolve(packed4, undefined, sliding, prompt)
  expect(windowedLayers).toEqual([1, 3])
  expect(spentNominal).toBe(1)
  expect(plan.layers[1]).toMatchObject({ stages: [], evict: 'never', positions: 'true' })
  // They are coded as the others.
  expect(plan.layers[1]?.segments).toEqual(plan.layers[0]?.segments)
})

test('a budget of bytes holds the whole cache: windowed layers come off it first', () => {
  const spec = (bytes: number) => ({ budget: { bytes }, prune: window() })
  const windows = resolve(spec(1 << 20), undefined, sliding, prompt)
  expect(windows.bytes).toBeLessThanOrEqual(1 << 20)
  expect(windows.spentBytes).toBeGreaterThan(0.98)
  const tokens = perHead(spec(200_000))
  expect(tokens[1]).toBe(100)
  expect(tokens[0]).toBeLessThan(300)
  expect(() => resolve(spec(10_000), undefined, sliding, prompt)).toThrow(/sliding window/)
})

test('an override of tokens takes a layer out of the rule', () => {
  const spec = { budget: { tokens: 60 }, prune: window(), layers: [{ from: 1, to: 2, tokens: 30 }] }
  expect(perHead(spec)).toEqual([75, 30, 75, 100])
  expect(resolve(spec, undefined, sliding, prompt).windowedLayers).toEqual([3])
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
