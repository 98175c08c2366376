import type { LayerPlan, ScoreNode } from '@qpkv/spec'
import { expect, test } from 'vitest'
import type { LayerCacheOptions } from '../support/probe.ts'
import { attentionScore, layerCase, pooled } from './support/layer-cases.ts'
import { addon, tables } from './support/open-model.ts'

const tokens = 150
const last = 8

/** Options of a layer that keeps 40 tokens, the last 8 among them. */
const layer = (plan: Partial<LayerPlan>): LayerCacheOptions =>
  layerCase({
    tokens,
    plan: { tokens: { perHead: 40, pool: 'head', floor: 0 }, protect: { first: 0, last }, ...plan },
  })

const norms: ScoreNode = { stat: 'key-norm' }
const attention = pooled(attentionScore())

const keptOf = async (table: string, options: LayerCacheOptions) => {
  const cache = await addon.createEngine({ threads: 2, table }).createLayerCache(options)
  const kept = cache.kept().map((head) => [...head])
  cache.dispose()
  return kept
}

/** The best candidates of one head's scores, ties to the lower position. */
const best = (scores: ArrayLike<number>, count: number, among: readonly number[]) =>
  [...among].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const ascending = (positions: number[]) => positions.sort((a, b) => a - b)
const tail = range(tokens - last, tokens)

const scoresOf = async (table: string, score: ScoreNode) => {
  const all = await addon
    .createEngine({ threads: 2, table })
    .observe({ ...layer({}), score, protectLast: last })
  return [0, 1].map((head) => all.subarray(head * tokens, (head + 1) * tokens))
}

test.each(tables)('stages fill their share with what is left (%s)', async (table) => {
  const stages = [
    { score: attention, share: 0.4 },
    { score: norms, share: 0.6 },
  ]
  const first = await scoresOf(table, attention)
  const second = await scoresOf(table, norms)
  const want = first.map((scores, head) => {
    const candidates = range(0, tokens - last)
    const taken = best(scores, 12, candidates) // 0.4 of 32 slots, rounded down
    const rest = best(
      second[head]!,
      20,
      candidates.filter((t) => !taken.includes(t)),
    )
    return [...ascending([...taken, ...rest]), ...tail]
  })
  expect(await keptOf(table, layer({ stages }))).toEqual(want)
})

test.each(tables)('a number per head, and protected positions (%s)', async (table) => {
  const scores = await scoresOf(table, norms)
  const positions = [3, 77, 140]
  const plan: Partial<LayerPlan> = {
    tokens: { perHead: [20, 61], pool: 'head', floor: 0 },
    stages: [{ score: norms, share: 1 }],
    protect: { first: 2, last, positions },
  }
  const want = [20, 61].map((slots, head) => {
    const fixed = positions.filter((t) => t >= 2 && t < tokens - last)
    const candidates = range(2, tokens - last).filter((t) => !fixed.includes(t))
    const taken = best(scores[head]!, slots - 2 - last - fixed.length, candidates)
    return [0, 1, ...ascending([...fixed, ...taken]), ...tail]
  })
  expect(await keptOf(table, layer(plan))).toEqual(want)
})

test('nothing observed fills the slots with the lowest positions', async () => {
  const kept = await keptOf(tables[0]!, layer({}))
  expect(kept).toEqual([0, 1].map(() => [...range(0, 32), ...tail]))
})

test('what this engine cannot run is refused by field and value', async () => {
  const engine = addon.createEngine({ threads: 1 })
  const refusal = async (plan: Record<string, unknown>) => {
    try {
      await engine.createLayerCache(layer(plan))
    } catch (error) {
      return error as Error & { code: string }
    }
    throw new Error('the plan was taken')
  }
  const stage = (score: unknown) => ({ stages: [{ score, share: 1 }] })
  const cases: [Record<string, unknown>, string][] = [
    [{ values: { transform: 'center' } }, 'plan.values.transform'],
    [{ tokens: { perHead: 40, pool: 'world', floor: 0 } }, 'plan.tokens.pool'],
    [{ residual: { keys: 'group', values: 'token' } }, 'plan.residual'],
    [{ tokens: { perHead: 40, pool: 'head', floor: 0, gard: 'least' } }, 'plan.tokens.gard is unknown'],
    [{ protect: { first: 0 } }, 'plan.protect.last is missing'],
    [{ protect: { first: 0.5, last: 0 } }, 'plan.protect.first'],
    [{ evict: 'oldest' }, "plan.evict is 'oldest'"],
    [{ evict: { by: norms, capacity: 40 } }, 'plan.evict is'],
    [{ wholly: 16 }, 'plan.wholly is unknown'],
    [stage({ stat: 'key-nrm' }), 'key-norm'],
    [stage({ op: 'median', of: [norms] }), 'plan.stages[0].score.op'],
    [stage({ op: 'scale', factor: 2, ofset: 1, of: [norms] }), 'plan.stages[0].score.ofset'],
    [stage({ op: 'add', of: [norms] }), 'plan.stages[0].score.of'],
  ]
  for (const [plan, text] of cases) {
    const error = await refusal(plan)
    expect(error.code).toBe('KV_UNSUPPORTED')
    expect(error.message).toContain(text)
  }
  const ungrouped = await refusal(stage({ stat: 'attention', queries: 'all', mask: 'causal', reduce: 'sum' }))
  expect(ungrouped.code).toBe('KV_METHOD')
})
