import { selectLayer } from '@qpkv/reference'
import type { LayerPlan, ScoreNode } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { randomModel, smallLlama } from '../support/random-model.ts'
import { attentionScore, layerCase, sliceTokens, stage } from './support/layer-cases.ts'
import {
  addon,
  largestDifference,
  layerPlan,
  openModel,
  planOf,
  prefill,
  tables,
} from './support/open-model.ts'

/*
 * Eviction in decode by a score that is measured anew over what the cache holds, against the reference's observation and selection of
 * the same keys and queries.
 */

const [queryHeads, kvHeads, headDim] = [6, 2, 40]
const [capacity, every, window] = [24, 11, 4]
const last = { last: window, before: 'prompt-end' } as const

/** R-KV's: attention of the newest queries, and keys that repeat no others. */
const redundancyAware: ScoreNode = {
  op: 'add',
  of: [
    {
      op: 'scale',
      factor: 0.1,
      of: [
        {
          op: 'pool',
          pool: 'max',
          kernel: 7,
          padding: 'valid',
          of: [{ stat: 'joined-attention', queries: last, join: 'max' }],
        },
      ],
    },
    { op: 'scale', factor: -0.9, of: [{ stat: 'redundancy', threshold: 0.5, alone: 'nothing' }] },
  ],
}
const scores: Record<string, ScoreNode> = {
  'r-kv': redundancyAware,
  'window attention': attentionScore({ queries: last }),
  'key difference': { op: 'scale', factor: -1, of: [{ stat: 'key-similarity' }] },
  tova: {
    op: 'group',
    by: 'mean',
    over: 'layer',
    of: [{ stat: 'attention', queries: { last: 1, before: 'prompt-end' }, mask: 'causal', reduce: 'sum' }],
  },
  'value norms': { stat: 'value-norm', norm: 2 },
}
const planFor = (by: ScoreNode): Partial<LayerPlan> => ({
  tokens: { perHead: capacity, pool: 'head', floor: 0 },
  ...stage(by),
  protect: { first: 2, last: window },
  evict: { by, every, capacity, measure: 'anew' },
})

describe.each(tables)('%s', (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  afterAll(() => engine.dispose())

  test.each(Object.entries(scores).flatMap(([name, by]) => [16, 60].map((prompt) => ({ name, by, prompt }))))(
    'decode keeps what the reference keeps: $name after $prompt tokens',
    async ({ by, prompt }) => {
      const all = prompt + 70
      const whole = layerCase({ tokens: all, queryHeads, kvHeads, headDim })
      const options = {
        ...layerCase({ tokens: prompt, queryHeads, kvHeads, headDim, plan: planFor(by) }),
        q: whole.q.slice(0, prompt * queryHeads * headDim),
        k: sliceTokens(whole.k, kvHeads, headDim, 0, prompt),
        v: sliceTokens(whole.v, kvHeads, headDim, 0, prompt),
      }
      const cache = await engine.createLayerCache(options)
      let live = cache.kept().map((head) => [...head])
      let evictions = 0
      for (let position = prompt; position < all; position++) {
        const part = (values: Float32Array) => sliceTokens(values, kvHeads, headDim, position, 1)
        await cache.append(part(whole.k), part(whole.v), 1)
        await cache.attend(
          whole.q.subarray(position * queryHeads * headDim, (position + 1) * queryHeads * headDim),
        )
        live = live.map((head) => [...head, position])
        const tokens = live[0]!.length
        if (tokens === capacity + every) {
          evictions++
          // The cache in the order of positions, and the newest queries at its end.
          const rows = (x: Float32Array) =>
            Float32Array.from(
              live.flatMap((head, h) =>
                head.flatMap((t) => [...x.subarray((h * all + t) * headDim, (h * all + t + 1) * headDim)]),
              ),
            )
          const q = new Float32Array(queryHeads * tokens * headDim)
          for (let h = 0; h < queryHeads; h++)
            for (let i = 0; i < window; i++)
              q.set(
                whole.q.subarray(
                  ((position - i) * queryHeads + h) * headDim,
                  ((position - i) * queryHeads + h + 1) * headDim,
                ),
                (h * tokens + tokens - 1 - i) * headDim,
              )
          const sinks = live[0]!.filter((t) => t < 2).length
          const plan = { ...options.plan, protect: { first: sinks, last: window } }
          const { kept } = selectLayer(plan, 'kv', {
            q,
            k: rows(whole.k),
            v: rows(whole.v),
            queryHeads,
            kvHeads,
            headDim,
            tokens,
          })
          live = live.map((head, h) => [...kept[h]!].map((i) => head[i]!))
        }
        expect(cache.kept().map((head) => [...head])).toEqual(live)
      }
      expect(evictions).toBeGreaterThan(3)
      cache.dispose()
    },
  )
})

test('a model decodes so alike on any number of threads; a fork goes its own way', async () => {
  const { folder } = randomModel(smallLlama, 'BF16', 9)
  const ids = Array.from({ length: 60 }, (_, i) => (i * 31 + 5) % 97)
  const outcome = async (threads: number) => {
    const open = await openModel(folder, { threads })
    const plan = layerPlan(capacity, planFor(redundancyAware))
    const { contexts } = await prefill(open, ids, [planOf(open.config, ids.length, plan)])
    const [context] = contexts as [(typeof contexts)[number]]
    for (let i = 0; i < 15; i++) await context.append(Int32Array.of((i * 17) % 97))
    const fork = context.fork()
    for (let i = 15; i < 30; i++) await context.append(Int32Array.of((i * 17) % 97))
    // Many tokens at once, then the same as the other had one by one.
    await fork.append(Int32Array.from({ length: 15 }, (_, i) => ((i + 15) * 17) % 97))
    const held = [context, fork].flatMap((one) => one.kept().flatMap((layer) => [...layer]))
    const result = { logits: await context.logits(), fork: await fork.logits(), held }
    open.model.dispose()
    open.engine.dispose()
    return result
  }
  const [one, two] = [await outcome(1), await outcome(2)]
  expect(two).toEqual(one)
  for (const count of one.held) expect(count).toBeLessThan(capacity + every)
  expect(largestDifference(one.logits, one.fork)).toBeGreaterThan(0)
})
