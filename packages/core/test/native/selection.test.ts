import { selectTokens, smoothScores } from '@qpkv/reference'
import { headBytes, upgradeLayerPlan, type LayerPlan1 as LayerPlan } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { layerCase } from './support/layer-cases.ts'
import { addon, largestDifference, tables } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

const attention = (
  queries: 'all' | { last: number; before: 'prompt-end' },
  mask: 'causal' | 'window-block' = 'causal',
): LayerPlan['observe'] => ({ what: 'attention', queries, mask, reduce: 'sum', group: 'mean' })

/** What the reference keeps of 150 tokens when these scores stand for the observed ones. */
function keptByReference(scores: Float32Array, heads: number, plan: LayerPlan): Int32Array[] {
  const { smooth, prefer, protect } = plan
  const final = scores.slice()
  for (let head = 0; head < heads; head++) {
    const own = scores.slice(head * 150, head * 150 + 150 - protect.last)
    const pooled = smooth ? smoothScores(own, smooth) : own
    final.set(prefer === 'lowest' ? pooled.map((x) => -x) : pooled, head * 150)
  }
  return selectTokens(final, heads, 150, upgradeLayerPlan(plan))
}

test.each(tables)('kept tokens equal those of the reference selection, ties included (%s)', async (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  for (const order of ['position', 'score'] as const)
    for (const prefer of ['highest', 'lowest'] as const)
      for (const smooth of [
        undefined,
        { pool: 'max', kernel: 7, padding: 'valid' },
        { pool: 'mean', kernel: 5, padding: 'zeros-count' },
        { pool: 'mean', kernel: 5, padding: 'valid' },
      ] as const)
        for (const first of [0, 4]) {
          const plan: Partial<LayerPlan> = {
            tokens: { perHead: 40, pool: 'head', floor: 0 },
            order,
            prefer,
            ...(smooth && { smooth }),
            protect: { first, last: 8 },
          }
          const options = layerCase({ tokens: 150, plan })
          // Few different values: many ties. Mean pooling of eighths is exact.
          const scores = randomValues(300, 7).map((x) => Math.round(x * 8) / 8)
          const cache = await engine.createLayerCache({ ...options, scores })
          expect(cache.kept()).toEqual(keptByReference(scores, 2, options.plan))
        }
})

test.each(tables)('heads that share places keep what the reference selection keeps (%s)', async (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  // Few different values, the first head's larger: many ties, and different numbers of tokens.
  const scores = randomValues(600, 8).map((x, i) => Math.round((Math.abs(x) + (i < 150 ? 0.25 : 0)) * 8) / 8)
  for (const floor of [0, 0.2, 1])
    for (const order of ['position', 'score'] as const)
      for (const sharing of [{}, { weigh: 'top-share' }, { rounding: 'each' }] as const)
        for (const prefer of ['highest', 'lowest'] as const) {
          if (prefer === 'lowest' && 'weigh' in sharing) continue
          const plan: Partial<LayerPlan> = {
            tokens: { perHead: 40, pool: 'layer', floor, ...sharing },
            order,
            prefer,
            protect: { first: 4, last: 8 },
          }
          const options = layerCase({ tokens: 150, kvHeads: 4, plan })
          const cache = await engine.createLayerCache({ ...options, scores })
          const kept = cache.kept()
          expect(kept).toEqual(keptByReference(scores, 4, options.plan))
          if (floor < 1) expect(new Set(kept.map((head) => head.length)).size).toBeGreaterThan(1)
          expect(
            kept.reduce((sum, head) => sum + headBytes(upgradeLayerPlan(options.plan), head.length, 64), 0),
          ).toBe(cache.bytes().planned)
          cache.dispose()
        }
})

test('an infinite score is one like others where heads share places, but cannot be weighed', async () => {
  const engine = addon.createEngine({ threads: 1 })
  const scores = randomValues(600, 9).map((x, i) => (i % 151 === 3 ? Infinity : Math.abs(x)))
  const create = (sharing: { weigh?: 'top-share' }) =>
    engine.createLayerCache({
      ...layerCase({
        tokens: 150,
        kvHeads: 4,
        plan: { tokens: { perHead: 40, pool: 'layer', floor: 0, ...sharing } },
      }),
      scores,
    })
  const kept = (await create({})).kept()
  for (const [head, tokens] of kept.entries())
    for (let i = 0; i < 150; i++) if (scores[head * 150 + i] === Infinity) expect(tokens).toContain(i)
  await expect(create({ weigh: 'top-share' })).rejects.toMatchObject({ code: 'KV_NUMERIC' })
})

test.each(tables)('observed attention of all queries sums to the number of queries (%s)', async (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  for (const tokens of [5, 700]) {
    const mass = await engine.observe({ ...layerCase({ tokens }), observe: attention('all') })
    const sums = [0, 1].map((head) =>
      mass.subarray(head * tokens, (head + 1) * tokens).reduce((a, b) => a + b, 0),
    )
    for (const sum of sums) expect(Math.abs(sum / tokens - 1)).toBeLessThan(1e-4)
  }
})

test('for queries inside the masked block both masks are the same; for all queries they differ', async () => {
  const engine = addon.createEngine({ threads: 2 })
  const options = { ...layerCase({ tokens: 600 }), protectLast: 16 }
  const observe = (observation: LayerPlan['observe']) => engine.observe({ ...options, observe: observation })
  const window = { last: 16, before: 'prompt-end' } as const
  expect(
    largestDifference(await observe(attention(window)), await observe(attention(window, 'window-block'))),
  ).toBeLessThan(1e-6)
  const all = await observe(attention('all', 'window-block'))
  expect(largestDifference(await observe(attention('all')), all)).toBeGreaterThan(0.1)
  expect(Math.abs(all.subarray(0, 600).reduce((a, b) => a + b, 0) / 600 - 1)).toBeLessThan(1e-4)
})
