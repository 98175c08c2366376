import { Worker } from 'node:worker_threads'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon, loadModel, type Context, type Model } from '../src/index.ts'
import { scrambleTiles } from './support/probe.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(() => model.dispose())

const ids = (count: number) => Array.from({ length: count }, (_, i) => 20 + ((i * 7919) % 3600))

describe('the cache lies in what is counted, and nowhere else', () => {
  it.each([
    ['kivi at 2 bit', { quantize: kivi({ bits: 2, recent: 0 }) }],
    [
      'keydiff + kivi at 4 bit',
      { prune: keydiff({ last: 8 }), quantize: kivi({ bits: 4 }), budget: { tokens: 300 } },
    ],
  ])('noise in its tiles changes what comes next: %s', async (_, compression) => {
    await using context = await model.prefill(ids(700), { compression })
    await using noisy = await model.prefill(ids(700), { compression }) // not a fork: those share their tiles
    scrambleTiles(noisy, 5)
    await context.append([100])
    await noisy.append([100])
    const [clean, dirty] = [await context.logits(), await noisy.logits()]
    expect(Math.max(...clean.map((value, i) => Math.abs(value - (dirty[i] ?? NaN))))).toBeGreaterThan(0.5)
  })
})

/** Names of the getters that a class has. */
const gettersOf = (of: object): string[] =>
  Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(of) as object))
    .filter(([, descriptor]) => descriptor.get !== undefined)
    .map(([name]) => name)

describe('what was disposed', () => {
  it('says so whatever it is asked; contexts outlive their model', async () => {
    const own = await loadModel(modelFolder, { threads: 1 })
    const context = await own.prefill(ids(40))
    await own.dispose()
    await own.dispose()
    const getters = gettersOf(own)
    expect(getters).toEqual(expect.arrayContaining(['table', 'threads', 'weightBytes', 'facts', 'weights']))
    expect(own.tokenizer?.encode('a')).not.toEqual([]) // needs no weights
    expect(own.chatTemplate).toBeDefined()
    for (const name of getters)
      expect(() => own[name as keyof Model], name).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
    expect(() => own.stats()).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
    await expect(own.prefill(ids(4))).rejects.toMatchObject({ code: 'KV_DISPOSED' })
    await expect(own.tokenize('a')).rejects.toMatchObject({ code: 'KV_DISPOSED' })
    await expect(own.logits(ids(4))).rejects.toMatchObject({ code: 'KV_DISPOSED' })

    expect(context.report.engine.threads).toBe(1)
    await context.generate({ maxTokens: 2, stopTokens: [] }).result
    await context.dispose()
    for (const name of gettersOf(context))
      expect(() => context[name as keyof Context], name).toThrow(
        expect.objectContaining({ code: 'KV_DISPOSED' }),
      )
    expect(() => context.fork()).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
    expect(() => context.generate()).toThrow(expect.objectContaining({ code: 'KV_DISPOSED' }))
    await expect(context.logits()).rejects.toMatchObject({ code: 'KV_DISPOSED' })
  })
})

describe('memory', () => {
  it('of contexts that were disposed is used again', { timeout: 120_000 }, async () => {
    const prompt = ids(1400)
    const round = async () => {
      await using context = await model.prefill(prompt)
      await context.generate({ maxTokens: 2, stopTokens: [] }).result
    }
    for (let i = 0; i < 5; i++) await round()
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 20; i++) await round()
    expect(process.memoryUsage.rss() - before).toBeLessThan(20 * 2 ** 20) // the 20 caches together have 54 MiB
  })
})

describe('a worker thread', () => {
  it('that ends in the middle of the work takes nothing else with it', async () => {
    // The addon alone: the sources of this package are TypeScript, which a plain worker does not read.
    const source = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { createEngine, probe } = require(workerData.path)
      const engine = createEngine({ threads: 2 })
      const q = new Float32Array(2000 * 8 * 64).fill(0.1)
      const k = new Float32Array(2000 * 8 * 64).fill(0.1)
      const options = { q, k, tokens: 2000, queryHeads: 8, kvHeads: 8, headDim: 64, heads: 'kv',
        score: { op: 'group', by: 'mean', of: [{ stat: 'attention', queries: 'all', mask: 'causal', reduce: 'sum' }] } }
      const work = () => probe.observe(engine, options).then(work)
      void work()
      parentPort.postMessage('working')
    `
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(source, { eval: true, workerData: { path: loadAddon().path } })
      await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      await new Promise((resolve) => setTimeout(resolve, 10 * i))
      await worker.terminate()
    }
    await using context = await model.prefill(ids(100))
    expect((await context.generate({ maxTokens: 3, stopTokens: [] }).result).tokens).toHaveLength(3)
  })
})
