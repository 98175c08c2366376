import { randomValues } from '@qpkv/conformance'
import { selectLayer } from '@qpkv/reference'
import { resolve, statisticsOf } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { keydiff } from '../src/index.ts'

const model = { layers: 1, queryHeads: 4, kvHeads: 2, headDim: 16 }
const tokens = 200

test('keeps the keys with the lowest cosine to the mean of the normalized keys, by an independent count', () => {
  const k = randomValues(2 * tokens * 16, 5).map((x, i) => x + (i % 16 === 3 ? 2 : 0))
  const { plan } = resolve({ budget: { tokens: 40 }, prune: keydiff({ last: 8 }) }, undefined, model, {
    tokens,
  })
  const layer = plan.layers[0]!
  const { kept: selected } = selectLayer(layer, 'kv', {
    q: new Float32Array(4 * tokens * 16),
    k,
    queryHeads: 4,
    kvHeads: 2,
    tokens,
    headDim: 16,
  })
  for (const [h, kept] of selected.entries()) {
    const rows = Array.from({ length: tokens }, (_, t) => [
      ...k.subarray((h * tokens + t) * 16, (h * tokens + t + 1) * 16),
    ])
    const unit = rows.map((row) => row.map((x) => x / Math.hypot(...row)))
    const mean = Array.from({ length: 16 }, (_, d) => unit.reduce((sum, row) => sum + row[d]!, 0) / tokens)
    const score = unit.map((row) => -row.reduce((sum, x, d) => sum + x * mean[d]!, 0) / Math.hypot(...mean))
    const best = [...score.keys()]
      .slice(0, tokens - 8)
      .sort((a, b) => score[b]! - score[a]!)
      .slice(0, 32)
    expect([...kept]).toEqual(
      [...best, ...Array.from({ length: 8 }, (_, i) => tokens - 8 + i)].sort((a, b) => a - b),
    )
  }
})

test('the question is not looked at: queries change nothing', () => {
  const { plan } = resolve({ budget: { tokens: 40 }, prune: keydiff() }, undefined, model, { tokens })
  expect(statisticsOf(plan.layers[0]!.stages[0]!.score)).toEqual([{ stat: 'key-similarity' }])
})
