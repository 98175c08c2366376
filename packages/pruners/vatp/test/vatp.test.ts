import { randomValues } from '@qpkv/conformance'
import { selectLayer } from '@qpkv/reference'
import { resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { vatp } from '../src/index.ts'

const model = { layers: 1, queryHeads: 2, kvHeads: 1, headDim: 8 }
const tokens = 60

test.each([
  { window: undefined, queries: tokens },
  { window: 5, queries: 5 },
])('keeps the largest attention times the size of the value, window $window', ({ window, queries }) => {
  const tensors = {
    ...model,
    tokens,
    q: randomValues(2 * tokens * 8, 1, 2),
    k: randomValues(tokens * 8, 2, 2),
    v: randomValues(tokens * 8, 3),
  }
  const prune = vatp({ first: 4, recent: 6, ...(window && { window }) })
  const { plan } = resolve({ budget: { tokens: 20 }, prune }, undefined, model, { tokens })
  const { kept } = selectLayer(plan.layers[0]!, 'kv', tensors)
  const row = (x: Float32Array, at: number) => [...x.subarray(at * 8, at * 8 + 8)]
  const score = Array.from({ length: tokens }, () => 0)
  for (let head = 0; head < 2; head++)
    for (let i = tokens - queries; i < tokens; i++) {
      const own = row(tensors.q, head * tokens + i)
      const weights = Array.from({ length: i + 1 }, (_, t) =>
        Math.exp(row(tensors.k, t).reduce((sum, x, d) => sum + x * own[d]!, 0) / Math.sqrt(8)),
      )
      const total = weights.reduce((a, b) => a + b, 0)
      for (const [t, weight] of weights.entries()) score[t]! += weight / total / 2
    }
  const worth = score.map((s, t) => s * row(tensors.v, t).reduce((sum, x) => sum + Math.abs(x), 0))
  const best = [...worth.keys()]
    .slice(4, tokens - 6)
    .sort((a, b) => worth[b]! - worth[a]!)
    .slice(0, 10)
  const ends = [...Array(tokens).keys()].filter((t) => t < 4 || t >= tokens - 6)
  expect([...kept[0]!]).toEqual([...best, ...ends].sort((a, b) => a - b))
})
