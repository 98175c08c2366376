import { selectTokens } from '@qpkv/reference'
import { headBytes, type LayerPlan, type StatisticNode } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { attentionScore, layerCase } from './support/layer-cases.ts'
import { addon, largestDifference, tables } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

type Attention = StatisticNode & { stat: 'attention' }

/** Fields of a plan that keeps the best of 150 tokens by one score. */
const best: Partial<LayerPlan> = { stages: [{ score: { stat: 'key-norm' }, share: 1 }] }

test.each(tables)('kept tokens equal those of the reference selection, ties included (%s)', async (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  for (const order of ['position', 'score'] as const)
    for (const first of [0, 4])
      for (const positions of [undefined, [2, 9, 90, 145]])
        for (const perHead of [40, [21, 90]]) {
          const plan: Partial<LayerPlan> = {
            ...best,
            tokens: { perHead, pool: 'head', floor: 0 },
            order,
            protect: { first, last: 8, ...(positions && { positions }) },
          }
          const options = layerCase({ tokens: 150, plan })
          // Few different values: many ties.
          const scores = randomValues(300, 7).map((x) => Math.round(x * 8) / 8)
          const cache = await engine.createLayerCache({ ...options, scores })
          expect(cache.kept()).toEqual(selectTokens(scores, 2, 150, options.plan))
          cache.dispose()
        }
})

test.each(tables)('heads that share slots keep what the reference selection keeps (%s)', async (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  // Few different values, the first head's larger: many ties, and different numbers of tokens.
  const scores = randomValues(600, 8).map((x, i) => Math.round((Math.abs(x) + (i < 150 ? 0.25 : 0)) * 8) / 8)
  for (const floor of [0, 0.2, 1])
    for (const order of ['position', 'score'] as const)
      for (const sharing of [{}, { weigh: 'top-share' }, { rounding: 'each' }] as const)
        for (const positions of [undefined, [2, 9, 90, 145]])
          for (const sign of [1, -1]) {
            if (sign < 0 && 'weigh' in sharing) continue
            const plan: Partial<LayerPlan> = {
              ...best,
              tokens: { perHead: 40, pool: 'layer', floor, ...sharing },
              order,
              protect: { first: 4, last: 8, ...(positions && { positions }) },
            }
            const options = layerCase({ tokens: 150, kvHeads: 4, plan })
            const given = scores.map((x) => sign * x)
            const cache = await engine.createLayerCache({ ...options, scores: given })
            const kept = cache.kept()
            expect(kept).toEqual(selectTokens(given, 4, 150, options.plan))
            if (floor < 1) expect(new Set(kept.map((head) => head.length)).size).toBeGreaterThan(1)
            expect(kept.reduce((sum, head) => sum + headBytes(options.plan, head.length, 64), 0)).toBe(
              cache.bytes().planned,
            )
            cache.dispose()
          }
})

test('an infinite score is one like others where heads share slots, but cannot be weighed', async () => {
  const engine = addon.createEngine({ threads: 1 })
  const scores = randomValues(600, 9).map((x, i) => (i % 151 === 3 ? Infinity : Math.abs(x)))
  const create = (sharing: { weigh?: 'top-share' }) =>
    engine.createLayerCache({
      ...layerCase({
        tokens: 150,
        kvHeads: 4,
        plan: { ...best, tokens: { perHead: 40, pool: 'layer', floor: 0, ...sharing } },
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
    const mass = await engine.observe({ ...layerCase({ tokens }), score: attentionScore({ queries: 'all' }) })
    const sums = [0, 1].map((head) =>
      mass.subarray(head * tokens, (head + 1) * tokens).reduce((a, b) => a + b, 0),
    )
    for (const sum of sums) expect(Math.abs(sum / tokens - 1)).toBeLessThan(1e-4)
  }
})

test('for queries inside the masked block both masks are the same; for all queries they differ', async () => {
  const engine = addon.createEngine({ threads: 2 })
  const options = { ...layerCase({ tokens: 600 }), protectLast: 16 }
  const observe = (fields: Partial<Attention>) =>
    engine.observe({ ...options, score: attentionScore(fields) })
  expect(largestDifference(await observe({}), await observe({ mask: 'window-block' }))).toBeLessThan(1e-6)
  const all = await observe({ queries: 'all', mask: 'window-block' })
  expect(largestDifference(await observe({ queries: 'all' }), all)).toBeGreaterThan(0.1)
  expect(Math.abs(all.subarray(0, 600).reduce((a, b) => a + b, 0) / 600 - 1)).toBeLessThan(1e-4)
})
