import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LayerPlan } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { packageRoot } from '../../src/native/package-root.ts'
import { exportTiles } from '../support/probe.ts'
import { randomModel } from '../support/random-model.ts'
import { attentionScore, packed, pooled, residuals, segments, stage } from './support/layer-cases.ts'
import {
  addon,
  generateGreedy,
  layerPlan,
  openModel,
  planOf,
  prefill,
  tables,
  type OpenModel,
} from './support/open-model.ts'
import { smallConfig, smallPrompt } from './support/small-config.ts'

/** A backend whose memory the host cannot look at: native/mirror. */
const library = join(packageRoot(import.meta.url), 'build', 'Release', 'qpkv_mirror.so')

const config = { ...smallConfig, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3' }
const prompt = smallPrompt(700)

const plain = { bits: 16, element: 'f32' } as const
const everyQuery = attentionScore({ queries: 'all' })
const plans: Record<string, LayerPlan> = {
  'everything, exactly': layerPlan(700),
  'pruned by attention, in 4 bits': layerPlan(120, {
    segments: segments(packed(4, 'channel'), packed(4, 'token'), 32),
    ...stage(pooled(attentionScore())),
    protect: { first: 0, last: 16 },
  }),
  'original residual rule, in 2 bits': layerPlan(700, {
    segments: segments(packed(2, 'channel'), packed(2, 'token'), 32),
    residual: residuals.blocks,
  }),
  'running eviction by score': layerPlan(100, {
    ...stage(everyQuery),
    protect: { first: 0, last: 20 },
    evict: { by: everyQuery, every: 1, capacity: 100 },
  }),
  'first in, first out, positions in the cache': layerPlan(80, {
    keys: { rope: 'before', transform: 'none' },
    segments: [{ role: 'recent', tokens: 'rest', key: plain, value: plain }],
    protect: { first: 4, last: 76 },
    evict: 'fifo',
    positions: 'cache',
  }),
}

describe.skipIf(!existsSync(library))('on a device apart', () => {
  let opened: Promise<readonly [here: OpenModel, there: OpenModel]> | undefined
  const both = () => (opened ??= openBoth())
  async function openBoth() {
    const { folder } = randomModel(config, 'BF16', 3)
    return [await openModel(folder, { table: tables[0]! }), await openModel(folder, { library })] as const
  }
  afterAll(async () => {
    for (const { model, engine } of await both()) {
      model.dispose()
      engine.dispose()
    }
  })

  test.each(Object.entries(plans))('%s: the same tokens and bytes', async (_, plan) => {
    const runs = []
    for (const open of await both()) {
      const { contexts, kept } = await prefill(open, prompt, [planOf(open.config, 700, plan)])
      const context = contexts[0]!
      const fork = context.fork()
      runs.push({
        kept,
        tokens: await generateGreedy(context, 70),
        forked: await generateGreedy(fork, 10),
        logits: await context.logits(),
        bytes: context.bytes(),
        tiles: exportTiles(context, 1, 0),
      })
      context.dispose()
      fork.dispose()
    }
    expect((await both())[1].engine.table).toBe('mirror')
    expect(runs[1]).toEqual(runs[0])
  })

  test('sampling with penalties draws the same tokens', async () => {
    const draws = []
    for (const open of await both()) {
      const { contexts } = await prefill(open, prompt, [planOf(open.config, 700, layerPlan(700))])
      const context = contexts[0]!
      context.seed(5)
      const sampling = { temperature: 1.2, topK: 60, topP: 0.97, minP: 0.01, repetitionPenalty: 1.4 }
      const ids = [(await context.sample(sampling)).id]
      while (ids.length < 40) ids.push((await context.append(Int32Array.of(ids.at(-1)!), sampling))!.id)
      draws.push(ids)
    }
    expect(draws[1]).toEqual(draws[0])
    expect(new Set(draws[0]).size).toBeGreaterThan(10)
  })
})

test('a library that is none is refused by name', () => {
  expect(() => addon.createEngine({ threads: 1, library: '/nowhere/to/be/found.so' })).toThrow(
    /The backend '\/nowhere\/to\/be\/found.so' cannot be used/,
  )
})
