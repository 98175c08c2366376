import { tokensToEvict } from '@qpkv/reference'
import type { LayerPlan } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { randomModel, smallLlama } from '../support/random-model.ts'
import { attentionScore, exact, layerCase, sliceTokens, stage } from './support/layer-cases.ts'
import { addon, largestDifference, layerPlan, openModel, planOf, prefill } from './support/open-model.ts'

const engine = addon.createEngine({ threads: 2 })
const [queryHeads, kvHeads, headDim] = [4, 2, 32]
const beforeRope = { rope: 'before', transform: 'none' } as const
const everyQuery = attentionScore({ queries: 'all' })
const heavy: Partial<LayerPlan> = {
  tokens: { perHead: 24, pool: 'head', floor: 0 },
  ...stage(everyQuery),
  protect: { first: 0, last: 8 },
  evict: { by: everyQuery, every: 1, capacity: 24 },
}

/** Attention probabilities of the newest token's queries over the kept ones, mean over the query heads of a KV head. */
function newMass(
  q: Float32Array,
  keys: Float32Array,
  all: number,
  head: number,
  kept: readonly number[],
): number[] {
  const mass = kept.map(() => 0)
  const group = queryHeads / kvHeads
  for (let g = 0; g < group; g++) {
    const row = q.subarray((head * group + g) * headDim, (head * group + g + 1) * headDim)
    const weights = kept.map((position) => {
      let dot = 0
      for (let c = 0; c < headDim; c++) dot += row[c]! * keys[(head * all + position) * headDim + c]!
      return Math.exp(dot / Math.sqrt(headDim))
    })
    const sum = weights.reduce((a, b) => a + b, 0)
    for (const [i, weight] of weights.entries()) mass[i]! += weight / sum / group
  }
  return mass
}

test.each(['lowest-score', 'fifo'] as const)(
  'decode keeps the tokens that the rule says: %s',
  async (evict) => {
    const [prompt, steps] = [60, 40]
    const plan: Partial<LayerPlan> =
      evict === 'fifo'
        ? { tokens: { perHead: 24, pool: 'head', floor: 0 }, protect: { first: 4, last: 20 }, evict }
        : heavy
    const whole = layerCase({ tokens: prompt + steps, queryHeads, kvHeads, headDim })
    const options = {
      ...layerCase({ tokens: prompt, queryHeads, kvHeads, headDim, plan }),
      q: whole.q.slice(0, prompt * queryHeads * headDim),
      k: sliceTokens(whole.k, kvHeads, headDim, 0, prompt),
      v: sliceTokens(whole.v, kvHeads, headDim, 0, prompt),
    }
    const cache = await engine.createLayerCache(options)
    const observed =
      evict === 'fifo'
        ? new Float32Array(kvHeads * prompt)
        : await engine.observe({ ...options, score: everyQuery, protectLast: 8 })
    const live = cache.kept().map((head, h) => ({
      positions: [...head],
      scores: [...head].map((position) => observed[h * prompt + position] ?? 0),
    }))
    for (let position = prompt; position < prompt + steps; position++) {
      const part = (values: Float32Array) => sliceTokens(values, kvHeads, headDim, position, 1)
      await cache.append(part(whole.k), part(whole.v), 1)
      const q = whole.q.subarray(position * queryHeads * headDim, (position + 1) * queryHeads * headDim)
      await cache.attend(q)
      for (const [head, tokens] of live.entries()) {
        tokens.positions.push(position)
        tokens.scores.push(0)
        const mass = newMass(q, whole.k, prompt + steps, head, tokens.positions)
        tokens.scores = tokens.scores.map((score, i) => score + mass[i]!)
        const [index] = tokensToEvict(tokens, options.plan)
        if (index !== undefined) {
          tokens.positions.splice(index, 1)
          tokens.scores.splice(index, 1)
        }
      }
      expect(cache.kept().map((head) => [...head])).toEqual(live.map((tokens) => tokens.positions))
    }
    // A tile is freed when its last token is gone; evicted tokens are marked in what remains.
    const positions = cache.export(0).key.flatMap((p) => [...(p.positions ?? [])])
    expect(positions.filter((position) => position >= 0)).toEqual(live[0]!.positions)
  },
)

test.each(['lowest-score', 'fifo'] as const)(
  'after a long append the survivors lie together, with their values and positions: %s',
  async (evict) => {
    const [prompt, later] = [60, 700]
    const plan: Partial<LayerPlan> =
      evict === 'fifo'
        ? { tokens: { perHead: 24, pool: 'head', floor: 0 }, protect: { first: 4, last: 20 }, evict }
        : heavy
    const whole = layerCase({ tokens: prompt + later, queryHeads, kvHeads, headDim })
    const cache = await engine.createLayerCache({
      ...layerCase({ tokens: prompt, queryHeads, kvHeads, headDim, plan }),
      q: whole.q.slice(0, prompt * queryHeads * headDim),
      k: sliceTokens(whole.k, kvHeads, headDim, 0, prompt),
      v: sliceTokens(whole.v, kvHeads, headDim, 0, prompt),
    })
    const { planned } = cache.bytes()
    for (let first = prompt; first < prompt + later; first += 100) {
      const part = (values: Float32Array) => sliceTokens(values, kvHeads, headDim, first, 100)
      await cache.append(part(whole.k), part(whole.v), 100)
      const last = first + 99
      await cache.attend(whole.q.subarray(last * queryHeads * headDim, (last + 1) * queryHeads * headDim))
    }
    expect(cache.bytes().planned + cache.bytes().grown).toBeLessThan(3 * planned)
    for (const [head, kept] of cache.kept().entries()) {
      expect(kept).toHaveLength(24)
      const { key, value } = cache.export(head)
      const positions = key.flatMap((part) => [...(part.positions ?? [])])
      expect(positions.filter((position) => position >= 0)).toEqual([...kept])
      for (const [parts, source] of [
        [key, whole.k],
        [value, whole.v],
      ] as const) {
        const values = parts.flatMap((part) => [...part.values])
        for (const [slot, position] of positions.entries())
          if (position >= 0)
            expect(values.slice(slot * headDim, (slot + 1) * headDim)).toEqual([
              ...source.subarray(
                (head * (prompt + later) + position) * headDim,
                (head * (prompt + later) + position + 1) * headDim,
              ),
            ])
      }
    }
    cache.dispose()
  },
)

test('an evicted token is not seen any more, and the fork that shares its tile still sees it', async () => {
  const { folder } = randomModel(smallLlama, 'BF16', 9)
  const open = await openModel(folder)
  const ids = Array.from({ length: 60 }, (_, i) => (i * 31 + 5) % 97)
  const rolling = (positions: 'true' | 'cache'): LayerPlan =>
    layerPlan(24, {
      protect: { first: 4, last: 20 },
      evict: 'fifo',
      positions,
      keys: beforeRope,
      segments: [{ role: 'recent', tokens: 'rest', key: exact('f32'), value: exact('f32') }],
    })
  for (const positions of ['true', 'cache'] as const) {
    const { contexts } = await prefill(open, ids, [planOf(open.config, 60, rolling(positions))])
    const [context] = contexts as [(typeof contexts)[number]]
    const fork = context.fork()
    await fork.append(Int32Array.of(7))
    const want = await fork.logits()
    const twin = context.fork()
    for (let i = 0; i < 30; i++) await context.append(Int32Array.of((i * 17) % 97))
    expect(context.kept().every((layer) => layer.every((count) => count === 24))).toBe(true)
    await twin.append(Int32Array.of(7))
    expect(largestDifference(await twin.logits(), want)).toBe(0)
    // Without eviction the same text gives other logits.
    const keep = await prefill(open, ids, [planOf(open.config, 60, { ...rolling('true'), evict: 'never' })])
    for (let i = 0; i < 30; i++) await keep.contexts[0]!.append(Int32Array.of((i * 17) % 97))
    expect(largestDifference(await keep.contexts[0]!.logits(), await context.logits())).toBeGreaterThan(1e-3)
  }
})

test('with nothing pruned, positions by index in the cache are the positions in the text', async () => {
  const { folder } = randomModel(
    {
      architectures: ['Qwen3ForCausalLM'],
      model_type: 'qwen3',
      hidden_size: 64,
      intermediate_size: 96,
      num_hidden_layers: 2,
      num_attention_heads: queryHeads,
      num_key_value_heads: kvHeads,
      head_dim: headDim,
      vocab_size: 97,
      rms_norm_eps: 1e-5,
      hidden_act: 'silu',
      rope_theta: 10000,
      max_position_embeddings: 4096,
      tie_word_embeddings: true,
    },
    'BF16',
    4,
  )
  const open = await openModel(folder)
  const ids = Array.from({ length: 50 }, (_, i) => (i * 31 + 5) % 97)
  const plans = [
    layerPlan(50),
    layerPlan(50, { keys: beforeRope }),
    layerPlan(50, { keys: beforeRope, positions: 'cache' }),
  ].map((plan) => planOf(open.config, 50, plan))
  const { contexts } = await prefill(open, ids, plans)
  for (const context of contexts) for (const id of [3, 50, 9]) await context.append(Int32Array.of(id))
  for (const context of contexts.slice(1))
    expect(largestDifference(await context.logits(), await contexts[0]!.logits())).toBeLessThan(1e-4)
})
