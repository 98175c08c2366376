import { resolve, type SpecInput } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { l2norm } from '../src/index.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
const prompt = { tokens: 400 }
const resolved = (spec: Omit<SpecInput, 'prune'>, prune: ReturnType<typeof l2norm>) =>
  resolve({ ...spec, prune }, undefined, model, prompt)
const tokens = (spec: Omit<SpecInput, 'prune'>, prune: ReturnType<typeof l2norm>) =>
  resolved(spec, prune).plan.layers.map((layer) => layer.tokens.perHead)

test('every layer is pruned alike by default, and no token is kept for its place', () => {
  const { plan } = resolved({ budget: { tokens: 50 } }, l2norm())
  for (const layer of plan.layers) {
    expect(layer.tokens.perHead).toBe(50)
    expect(layer.stages).toEqual([
      { score: { op: 'scale', factor: -1, offset: 0, of: [{ stat: 'key-norm' }] }, share: 1 },
    ])
    expect(layer.protect).toEqual({ first: 0, last: 0 })
  }
})

test('the opposite is an option', () => {
  const [layer] = resolved({ budget: { tokens: 50 } }, l2norm({ norms: 'largest' })).plan.layers
  expect(layer?.stages[0]?.score).toEqual({ stat: 'key-norm' })
})

test('skipped layers are whole, and the others share what they leave of the budget', () => {
  expect(tokens({ budget: { tokens: 220 } }, l2norm({ skip: 2 }))).toEqual([400, 400, 40, 40])
  expect(resolved({ budget: { tokens: 220 } }, l2norm({ skip: 2 })).spentNominal).toBe(1)
})

test('an overridden layer is neither skipped nor shared with', () => {
  const layers = [{ from: 0, to: 1, tokens: 40 }]
  expect(tokens({ budget: { tokens: 130 }, layers }, l2norm({ skip: 2 }))).toEqual([40, 400, 40, 40])
})

test('real bytes are kept to with skipped layers, counted or free', () => {
  for (const skipped of ['counted', 'free'] as const) {
    const { plan, spentBytes } = resolved({ budget: { bytes: 500_000 } }, l2norm({ skip: 2, skipped }))
    expect(plan.layers[1]?.tokens.perHead).toBe(400)
    expect(spentBytes).toBeGreaterThan(0.95)
    expect(spentBytes).toBeLessThanOrEqual(1)
  }
})

test('the profiles keep the skipped layers beside the budget, and say so', () => {
  const { plan, spentNominal } = resolved({ budget: { tokens: 50 } }, l2norm({ profile: 'original' }))
  expect(plan.layers.map((layer) => layer.tokens.perHead)).toEqual([400, 400, 50, 50])
  expect(spentNominal).toBe(900 / 200)
})

test('skipped layers that the budget cannot hold are refused with a size that works', () => {
  for (const budget of [{ tokens: 100 }, { bytes: 100_000 }])
    expect(() => resolved({ budget }, l2norm({ skip: 2 }))).toThrow(
      expect.objectContaining({ code: 'KV_BUDGET_TOO_SMALL', hint: expect.stringContaining('smallest') }),
    )
})
