import { selectLayer } from '@qpkv/reference'
import { resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { random } from '../src/index.ts'

const model = { layers: 2, queryHeads: 2, kvHeads: 2, headDim: 4 }
const tokens = 108
const nothing = new Float32Array(2 * tokens * 4)

function kept(seed: number): number[][] {
  const prune = random({ seed, last: 8 })
  const { plan } = resolve({ budget: { tokens: 33 }, prune }, undefined, model, { tokens })
  return plan.layers.flatMap((layer) =>
    selectLayer(layer, 'kv', { ...model, tokens, q: nothing, k: nothing }).kept.map((one) => [...one]),
  )
}

test('a seed keeps the same tokens again; heads, layers and seeds differ', () => {
  expect(kept(3)).toEqual(kept(3))
  const all = [...kept(3), ...kept(4)].map((one) => one.join(' '))
  expect(new Set(all).size).toBe(8)
})

test('every token has the same chance, and the last ones are always there', () => {
  const counts = Array.from({ length: tokens }, () => 0)
  for (let seed = 0; seed < 250; seed++) for (const one of kept(seed)) for (const t of one) counts[t]!++
  expect(counts.slice(tokens - 8)).toEqual(Array(8).fill(1000))
  // 1000 draws with a chance of a quarter: five deviations are 69.
  for (const count of counts.slice(0, tokens - 8)) expect(Math.abs(count - 250)).toBeLessThan(69)
})
