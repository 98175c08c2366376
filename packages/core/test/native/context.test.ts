import type { LayerPlan } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import type { NativeContext } from '../../src/native/addon.ts'
import { exportTiles } from '../support/probe.ts'
import { randomModel } from '../support/random-model.ts'
import { attentionScore, packed, pooled, residuals, segments, stage } from './support/layer-cases.ts'
import {
  addon,
  fullPlan,
  generateGreedy,
  greedy,
  largestDifference,
  layerPlan,
  openModel,
  planOf,
  prefill,
  type OpenModel,
} from './support/open-model.ts'
import { smallConfig, smallPrompt } from './support/small-config.ts'

const config = smallConfig
const prompt = smallPrompt
const kivi4 = segments(packed(4, 'channel'), packed(4, 'token'), 32)
const snapkv: Partial<LayerPlan> = {
  segments: kivi4,
  ...stage(pooled(attentionScore())),
  protect: { first: 0, last: 16 },
}

let opened: Promise<OpenModel> | undefined
/** The same model for all tests; its file may go, the mapping stays. */
const shared = (): Promise<OpenModel> => (opened ??= openModel(randomModel(config, 'BF16', 3).folder))
afterAll(async () => {
  const { model, engine } = await shared()
  model.dispose()
  engine.dispose()
})

const start = async (tokens: number, layer: LayerPlan): Promise<NativeContext> => {
  const open = await shared()
  const { contexts } = await prefill(open, prompt(tokens), [planOf(open.config, tokens, layer)])
  return contexts[0]!
}

type Sampling = Parameters<NativeContext['sample']>[0]

async function sampleMany(context: NativeContext, sampling: Sampling, count: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.length < count) ids.push((await context.sample(sampling)).id)
  return ids
}

describe('one prefill for several plans', () => {
  test('gives every plan what a prefill of its own gives', async () => {
    const open = await shared()
    const plans = [
      layerPlan(600),
      layerPlan(96, snapkv),
      layerPlan(64, { ...snapkv, ...stage(attentionScore()) }),
    ]
    const together = await prefill(
      open,
      prompt(600),
      plans.map((plan) => planOf(open.config, 600, plan)),
    )
    for (const [i, plan] of plans.entries()) {
      const alone = await prefill(open, prompt(600), [planOf(open.config, 600, plan)])
      expect(together.kept[i]).toEqual(alone.kept[0])
      expect(await generateGreedy(together.contexts[i]!, 10)).toEqual(
        await generateGreedy(alone.contexts[0]!, 10),
      )
    }
  })

  test('keeps the number of tokens that the plan says, the protected ones included', async () => {
    const open = await shared()
    const { kept } = await prefill(open, prompt(600), [planOf(open.config, 600, layerPlan(96, snapkv))])
    for (const layer of kept[0]!)
      for (const head of layer) {
        expect(head).toHaveLength(96)
        expect(head.slice(-16)).toEqual(Int32Array.from({ length: 16 }, (_, i) => 584 + i))
        expect([...head].every((p, i) => i === 0 || p > head[i - 1]!)).toBe(true)
      }
  })

  test('with everything kept in 16 bit equals the full cache', async () => {
    const open = await shared()
    const full = await prefill(open, prompt(300), [fullPlan(open.config, 300)])
    const large = await prefill(open, prompt(300), [
      planOf(open.config, 300, layerPlan(300, { ...snapkv, segments: layerPlan(1).segments })),
    ])
    expect(await generateGreedy(large.contexts[0]!, 20)).toEqual(await generateGreedy(full.contexts[0]!, 20))
  })
})

test('results are bit-equal for 1, 2 and 3 threads', async () => {
  const { folder } = randomModel(config, 'BF16', 3)
  const results: Float32Array[] = []
  for (const threads of [1, 2, 3]) {
    const model = await openModel(folder, { threads, precision: 'bf16' })
    const { contexts } = await prefill(model, prompt(700), [
      planOf(model.config, 700, layerPlan(128, snapkv)),
    ])
    results.push(await contexts[0]!.appendAll(Int32Array.from(prompt(90))))
    model.engine.dispose()
  }
  expect(results[1]).toEqual(results[0])
  expect(results[2]).toEqual(results[0])
})

describe('fork', () => {
  test('shares tiles, and neither side sees what the other appends', async () => {
    for (const segment of [
      kivi4,
      layerPlan(1).segments,
      segments(packed(2, 'channel'), packed(2, 'token'), 32),
    ]) {
      for (const residual of Object.values(residuals)) {
        const layer = layerPlan(200, { segments: segment, residual })
        const alone = await start(200, layer)
        // What leaves the window leaves it after every append, so both sides cut the text alike.
        await alone.append(Int32Array.from(prompt(20)))
        await alone.append(Int32Array.from(prompt(45).slice(20)))
        const want = await alone.logits()

        const one = await start(200, layer)
        const two = one.fork()
        await two.append(Int32Array.from(prompt(70).reverse()))
        await one.append(Int32Array.from(prompt(20)))
        const three = one.fork()
        await two.append(Int32Array.of(5))
        await one.append(Int32Array.from(prompt(45).slice(20)))
        expect(largestDifference(await one.logits(), want)).toBeLessThan(1e-4)
        expect(three.tokens).toBe(220)
        one.dispose()
        two.dispose()
        await three.append(Int32Array.from(prompt(45).slice(20)))
        expect(largestDifference(await three.logits(), want)).toBeLessThan(1e-4)
      }
    }
  })

  test('a fork samples the same tokens from the same seed', async () => {
    const one = await start(40, layerPlan(40))
    const two = one.fork()
    const sampling = { temperature: 1, topK: 50, topP: 0.95, minP: 0, repetitionPenalty: 1 }
    for (const context of [one, two]) context.seed(7)
    const ids = [await sampleMany(one, sampling, 20), await sampleMany(two, sampling, 20)]
    expect(ids[0]).toEqual(ids[1])
    expect(new Set(ids[0]).size).toBeGreaterThan(3)
  })
})

test('the original residual rule codes keys in blocks and values one by one', async () => {
  const layer = layerPlan(70, { segments: kivi4, residual: residuals.blocks })
  const context = await start(70, layer)
  const counts = () => {
    const tile = exportTiles(context, 0, 0)
    const coded = (parts: typeof tile.key) =>
      parts.filter((p) => p.bits !== 16).reduce((n, p) => n + p.tokens, 0)
    return [coded(tile.key), coded(tile.value), tile.tokens]
  }
  expect(counts()).toEqual([64, 38, 70])
  const first = exportTiles(context, 0, 0)
  for (let step = 1; step <= 40; step++) {
    await context.append(Int32Array.of(step))
    expect(counts()).toEqual([64 + 32 * Math.floor((6 + step) / 32), 38 + step, 70 + step])
  }
  // What was coded stays as it was.
  const last = exportTiles(context, 0, 0)
  const values = (parts: typeof last.value) =>
    parts.filter((p) => p.bits !== 16).flatMap((p) => [...p.values])
  expect(values(last.value).slice(0, 38 * 32)).toEqual(values(first.value))
})

test('by the rule `never` later tokens stay exact, and the codes stay as they are', async () => {
  const layer = layerPlan(70, {
    segments: segments(packed(4, 'token', 32), packed(4, 'channel', 64), 0),
    residual: residuals.never,
  })
  const context = await start(70, layer)
  const coded = () => {
    const { key, value } = exportTiles(context, 0, 0)
    return [key, value].map((parts) => parts.filter((p) => p.bits !== 16))
  }
  const first = coded()
  expect(first.map((parts) => parts.reduce((n, p) => n + p.tokens, 0))).toEqual([70, 70])
  for (let step = 1; step <= 150; step++) await context.append(Int32Array.of(step))
  expect(coded()).toEqual(first)
  expect(exportTiles(context, 0, 0).tokens).toBe(220)
  // Two tiles, as an exact cache grows them: not a small one for every few tokens.
  expect(exportTiles(context, 0, 0).key.filter((p) => p.bits === 16)).toHaveLength(2)
})

describe('sampling', () => {
  const plain = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 }
  const draw = async (context: NativeContext, sampling: Sampling, count = 200) => {
    context.seed(11)
    return new Set(await sampleMany(context, sampling, count))
  }

  test('draws follow the probabilities', async () => {
    const context = await start(30, layerPlan(30))
    const logits = [...(await context.logits())]
    const top = Math.max(...logits)
    const sum = logits.reduce((total, x) => total + Math.exp(x - top), 0)
    const best = logits.indexOf(top)
    context.seed(1)
    const draws = await sampleMany(context, plain, 4000)
    const share = draws.filter((id) => id === best).length / 4000
    expect(Math.abs(share - 1 / sum)).toBeLessThan(0.04)
  })

  test('top-k, top-p and min-p cut the tail; a small temperature takes the best', async () => {
    const context = await start(30, layerPlan(30))
    const logits = [...(await context.logits())]
    const order = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]!)
    expect(await draw(context, { ...plain, temperature: 5, topK: 3 })).toEqual(new Set(order.slice(0, 3)))
    expect(await draw(context, { ...plain, topP: 1e-6 })).toEqual(new Set(order.slice(0, 1)))
    expect(await draw(context, { ...plain, minP: 1 })).toEqual(new Set(order.slice(0, 1)))
    expect(await draw(context, { ...plain, temperature: 1e-3 })).toEqual(new Set(order.slice(0, 1)))
    expect((await context.sample(greedy)).id).toBe(order[0])
  })

  test('a repetition penalty moves the choice away from tokens seen before', async () => {
    const context = await start(30, layerPlan(30))
    const logits = [...(await context.logits())]
    const seen = new Set(prompt(30))
    const penalized = logits.map((x, id) => (seen.has(id) ? (x > 0 ? x / 1.8 : x * 1.8) : x))
    const best = penalized.indexOf(Math.max(...penalized))
    expect((await context.sample({ ...greedy, repetitionPenalty: 1.8 })).id).toBe(best)
  })

  test('presence and frequency penalties, a bias and a mask move it as their formulas say', async () => {
    const context = await start(30, layerPlan(30))
    const logits = [...(await context.logits())]
    const counts = logits.map((_, id) => prompt(30).filter((seen) => seen === id).length)
    const penalized = logits.map((x, id) => x - (counts[id]! > 0 ? 3 : 0) - 2 * counts[id]!)
    const best = (values: number[]) => values.indexOf(Math.max(...values))
    const penalties = { ...greedy, presencePenalty: 3, frequencyPenalty: 2 }
    expect((await context.sample(penalties)).id).toBe(best(penalized))
    const ids = [7, best(logits), 12]
    const bias = { biasIds: Int32Array.from(ids), bias: Float32Array.of(90, -100, 95) }
    const biased = logits.map((x, id) => x + (ids.includes(id) ? bias.bias[ids.indexOf(id)]! : 0))
    expect((await context.sample({ ...greedy, ...bias })).id).toBe(best(biased))
    const allowed = new Int32Array(Math.ceil(logits.length / 32))
    for (const id of [3, 31, 33]) allowed[id >> 5]! |= 1 << (id & 31)
    const least = [3, 31, 33].sort((a, b) => logits[b]! - logits[a]!)[0]
    expect((await context.sample({ ...greedy, allowed })).id).toBe(least)
    expect(await draw(context, { ...plain, temperature: 50, allowed })).toEqual(new Set([3, 31, 33]))
    // In the step that feeds a token, too.
    const fed = await context.append(Int32Array.of(5), { ...greedy, allowed, ...bias })
    expect([3, 31, 33]).toContain(fed?.id)
    expect((await context.sample({ ...greedy, allowed: allowed.fill(0) })).id).toBe(-1)
  })

  test('log-probabilities are those of the logits as they are', async () => {
    const context = await start(30, layerPlan(30))
    const logits = [...(await context.logits())]
    const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0))
    const order = logits.map((_, id) => id).sort((a, b) => logits[b]! - logits[a]!)
    const token = await context.sample({ ...greedy, presencePenalty: 5, logprobs: 4 })
    expect(token.logprob).toBeCloseTo(logits[token.id]! - total, 4)
    expect([...token.likeliest!]).toEqual(order.slice(0, 4))
    for (const [i, id] of order.slice(0, 4).entries())
      expect(token.logprobs![i]).toBeCloseTo(logits[id]! - total, 4)
    expect(await context.sample(greedy)).toEqual({ id: order[0] })
  })
})

describe('errors', () => {
  test('after dispose everything is refused with KV_DISPOSED', async () => {
    const context = await start(30, layerPlan(30))
    context.dispose()
    context.dispose()
    expect(() => context.logits()).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
    expect(() => context.append(Int32Array.of(1))).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
  })

  test('a second step at the same time is refused with KV_BUSY', async () => {
    const context = await start(30, layerPlan(30))
    const running = context.append(Int32Array.from(prompt(100)))
    expect(() => context.append(Int32Array.of(1))).toThrow(expect.objectContaining({ code: 'KV_BUSY' }))
    expect(() => context.fork()).toThrow(expect.objectContaining({ code: 'KV_BUSY' }))
    await running
    expect(context.tokens).toBe(130)
  })

  test('abort ends a prefill with KV_ABORTED', async () => {
    const open = await shared()
    const run = open.model.startPrefill(Int32Array.from(prompt(600)), [fullPlan(open.config, 600)])
    run.abort()
    await expect(run.runLayer()).rejects.toMatchObject({ code: 'KV_ABORTED' })
  })

  test('token ids outside of the vocabulary are refused', async () => {
    const context = await start(30, layerPlan(30))
    expect(() => context.append(Int32Array.of(211))).toThrow(
      expect.objectContaining({ code: 'KV_INVALID_OPTION' }),
    )
  })

  test('a field that no kernel can run is named', async () => {
    const open = await shared()
    const plan = planOf(
      open.config,
      30,
      layerPlan(30, { tokens: { perHead: 30, pool: 'world' as 'model', floor: 0 } }),
    )
    expect(() => open.model.startPrefill(Int32Array.from(prompt(30)), [plan])).toThrow(
      /layers\[0\]\.tokens\.pool/,
    )
  })

  test('NaN scores are refused, naming the layer', async () => {
    const open = await shared()
    const run = open.model.startPrefill(Int32Array.from(prompt(60)), [
      planOf(open.config, 60, layerPlan(30, snapkv)),
    ])
    await run.runLayer()
    const scores = await run.scores(0)
    scores[5] = NaN
    await expect(run.compressLayer(0, { scores })).rejects.toMatchObject({
      code: 'KV_NUMERIC',
      message: expect.stringContaining('layer 0') as string,
    })
    run.dispose()
  })
})

test('an engine that works is disposed without harm', async () => {
  const { folder } = randomModel(config, 'BF16', 3)
  const model = await openModel(folder)
  const run = model.model.startPrefill(Int32Array.from(prompt(600)), [fullPlan(model.config, 600)])
  const running = run.runLayer()
  run.dispose()
  model.model.dispose()
  model.engine.dispose()
  const outcome = await running.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
  expect(['done', 'KV_ABORTED']).toContain(outcome)
  expect(() => model.engine.table).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
  expect(addon.opTables()).toContain('scalar')
})
