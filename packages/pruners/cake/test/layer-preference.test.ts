import { definePruner, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { layerPreference } from '../src/index.ts'

const model = { layers: 3, queryHeads: 2, kvHeads: 1, headDim: 64 }
const prompt = { tokens: 1000 }
const window = 10
const norms = definePruner({
  name: 'norms',
  paper: '',
  options: {},
  layer: () => ({ score: { stat: 'key-norm' }, protect: { last: window } }),
})
/** [entropy, variance] of every key per layer; the window's own keys hold what must not count. */
const spreads = [
  [1, 1],
  [4, 1],
  [4, 0.5],
] as const
const measured = spreads.map(([entropy, variance]) =>
  Float32Array.from({ length: 2 * 1000 }, (_, i) => {
    const score = i < 1000 ? entropy : variance
    return i % 1000 < 1000 - window ? score : 1e6
  }),
)
const kept = (budget: object, taus: object) => {
  const spec = {
    budget: budget as { tokens: number },
    prune: norms(),
    allocate: layerPreference({ queries: window, ...taus }),
  }
  const { plan } = resolve(spec, undefined, model, prompt, { measured })
  return plan.layers.map(({ tokens }) => tokens.perHead)
}

test('both are measured over the window, which takes no part', () => {
  const spec = { budget: { tokens: 100 }, prune: norms(), allocate: layerPreference({ queries: window }) }
  const { measuring } = resolve(spec, undefined, model, prompt)
  const [layer] = measuring!.layers
  expect(layer!.protect.last).toBe(window)
  const queries = { last: window, before: 'prompt-end' }
  expect(layer!.stages.map(({ score }) => score)).toEqual(
    ['entropy', 'variance'].map((reduce) => ({
      op: 'group',
      by: 'sum',
      over: 'heads',
      of: [{ stat: 'attention', queries, mask: 'causal', reduce }],
    })),
  )
})

test('slots beside the window go by entropy^(1/tau1) variance^(1/tau2)', () => {
  // 270 slots: 1, 4 and 2 of 7; then 1, 2 and 2 of about 5. What rounding leaves goes to the first.
  expect(kept({ tokens: 100 }, { tau1: 1, tau2: 1 })).toEqual([10 + 39, 10 + 154, 10 + 77])
  expect(kept({ tokens: 100 }, { tau1: 2, tau2: 100 })).toEqual([10 + 55, 10 + 108, 10 + 107])
})

test('what a layer cannot take goes to the others', () => {
  const counts = kept({ tokens: 900 }, { tau1: 1, tau2: 1 }) as number[]
  expect(counts[1]).toBe(1000)
  expect(counts[2]).toBeGreaterThan(counts[0]!)
  expect(counts.reduce((a, b) => a + b)).toBe(2700)
})

test('a budget of real bytes is kept to', () => {
  const bytes = 3 * 100 * 64 * 4
  const spec = {
    budget: { bytes },
    prune: norms(),
    allocate: layerPreference({ queries: window, tau1: 1, tau2: 1 }),
  }
  const resolved = resolve(spec, undefined, model, prompt, { measured })
  expect(resolved.bytes).toBeLessThanOrEqual(bytes)
  expect(resolved.bytes).toBeGreaterThan(0.8 * bytes)
})
