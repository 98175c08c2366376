import { Worker } from 'node:worker_threads'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder, needleCases } from '@qpkv/reference-model'
import { planBytes, type SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon, loadModel, type Context, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

const prunes = { none: undefined, snapkv: snapkv({ window: 16 }), keydiff: keydiff({ last: 8 }) }
const quantizes = {
  none: undefined,
  ...Object.fromEntries(
    ([8, 4, 3, 2, 1] as const).map((bits) => [`kivi${bits}`, kivi({ bits, group: 32, recent: 8 })]),
  ),
  kiviRule: kivi({ bits: 2, group: 32, recent: 32, residual: 'kivi' }),
}

let model: Model
let prompt: string
let answer: string
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
  const count = (text: string) => model.tokenizer?.encode(text, { special: false }).length ?? 0
  const [sample] = needleCases({
    seed: 1,
    tokens: 512,
    keys: 8,
    samples: 1,
    countTokens: count,
    protocol: 'query-aware',
  })
  prompt = sample?.prompt ?? ''
  answer = ` ${sample?.questions[0]?.answer ?? ''}.`
})
afterAll(() => model.dispose())

const reply = async (context: Context, maxTokens = 10) =>
  (await context.generate({ maxTokens, temperature: 0 }).result).text

describe('a compressed context', () => {
  const pairs = Object.entries(prunes).flatMap(([p, prune]) =>
    Object.entries(quantizes).flatMap(([q, quantize]) =>
      (['kv', 'query'] as const).map((heads): [string, SpecInput] => [
        `${p}+${q} per ${heads} head`,
        { heads, ...(prune && { prune, budget: { tokens: 150 } }), ...(quantize && { quantize }) },
      ]),
    ),
  )

  it.each(pairs)('takes the bytes of its plan, to the byte: %s', async (_, spec) => {
    await using context = await model.prefill(prompt, { compression: spec, onWarning: () => undefined })
    const { report } = context
    expect(report.bytes.allocated).toBe(planBytes(report.plan, model.facts).total)
    expect(report.bytes.allocated).toBe(report.bytes.planned)
    expect(report.bytes.grown).toBe(0)
    await context.append(Array.from({ length: 60 }, (_, i) => 100 + i))
    expect(context.report.bytes.grown).toBeGreaterThan(0)
    expect(context.report.held).toEqual(report.kept.map((heads) => heads.map((kept) => kept + 60)))
    expect(context.report.bytes.planned).toBe(report.bytes.planned)
  })

  it('with room for everything at 16 bit answers as the full cache', async () => {
    const contexts = await model.prefill(prompt, {
      compression: [
        {},
        { prune: prunes.snapkv, budget: { tokens: 4096 } },
        { prune: prunes.keydiff, budget: { fraction: 1 } },
      ],
    })
    const [full, ...others] = await Promise.all(contexts.map((context) => reply(context, 30)))
    expect(full?.startsWith(answer)).toBe(true)
    expect(others).toEqual([full, full])
    await Promise.all(contexts.map((context) => context.dispose()))
  })

  it('keeps what snapkv was asked to keep, and still knows the answer at 4 bit', async () => {
    await using context = await model.prefill(prompt, {
      compression: { prune: prunes.snapkv, quantize: kivi({ bits: 4, recent: 8 }), budget: { tokens: 200 } },
    })
    expect(context.report.kept).toEqual(Array.from({ length: 4 }, () => [200, 200]))
    expect(context.report.shareOfFull).toBeLessThan(0.2)
    expect((await reply(context)).startsWith(answer)).toBe(true)
  })

  it('serves many specs from one pass, each as if alone', async () => {
    const specs: SpecInput[] = [
      { quantize: kivi({ bits: 2 }) },
      { prune: prunes.keydiff, budget: { bytes: '128KiB' } },
      { prune: prunes.snapkv, budget: { tokens: 64 } },
    ]
    const together = await model.prefill(prompt, { compression: specs })
    for (const [i, spec] of specs.entries()) {
      await using alone = await model.prefill(prompt, { compression: spec })
      expect(await together[i]?.logits()).toEqual(await alone.logits())
      expect(together[i] && (await reply(together[i]))).toBe(await reply(alone))
    }
    await Promise.all(together.map((context) => context.dispose()))
  })

  it('gives the same bits whatever the number of threads, and run after run', async () => {
    const results = []
    for (const threads of [1, 2, 3, 2]) {
      await using other = await loadModel(modelFolder, { threads })
      await using context = await other.prefill(prompt, {
        compression: { prune: prunes.snapkv, quantize: kivi({ bits: 2 }), budget: { tokens: 100 } },
      })
      await context.append(' and more text to read')
      results.push(await context.logits())
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  it('is asked again on forks that do not disturb each other', async () => {
    await using context = await model.prefill(prompt, {
      compression: { prune: prunes.keydiff, quantize: kivi({ bits: 4 }), budget: { tokens: 200 } },
    })
    const before = await context.logits()
    const forks = [context.fork(), context.fork()]
    await forks[0]?.append(' one thing')
    await forks[1]?.append(
      ' quite another thing altogether, and longer than a group of codes is, so that something is flushed: ' +
        'x y z '.repeat(30),
    )
    expect(await context.logits()).toEqual(before)
    await using again = await model.prefill(prompt, {
      compression: { prune: prunes.keydiff, quantize: kivi({ bits: 4 }), budget: { tokens: 200 } },
    })
    await again.append(' one thing')
    expect(await forks[0]?.logits()).toEqual(await again.logits())
    await Promise.all(forks.map((fork) => fork.dispose()))
  })

  it('samples the same tokens for the same seed', async () => {
    const sample = async (seed: number) => {
      await using context = await model.prefill('The red boat', {})
      return (
        await context.generate({
          maxTokens: 20,
          temperature: 1.5,
          topK: 40,
          topP: 0.95,
          minP: 0.01,
          repetitionPenalty: 1.1,
          seed,
        }).result
      ).tokens
    }
    const first = await sample(3)
    expect(await sample(3)).toEqual(first)
    expect(await sample(4)).not.toEqual(first)
  })

  it('is cancelled in the middle of a prefill and of a reply', async () => {
    const controller = new AbortController()
    const long = Array.from({ length: 4000 }, (_, i) => 20 + (i % 3000))
    const work = throwsKv('KV_ABORTED', /cancelled/i, () =>
      model.prefill(long, { signal: controller.signal, onProgress: () => controller.abort() }),
    )
    await work
    await using context = await model.prefill(prompt)
    const stop = new AbortController()
    const run = context.generate({ maxTokens: 200, stopTokens: [], signal: stop.signal })
    await throwsKv('KV_ABORTED', /cancelled/i, async () => {
      let seen = 0
      for await (const _ of run) if (++seen === 5) stop.abort()
    })
    expect((await context.generate({ maxTokens: 3, stopTokens: [] }).result).tokens).toHaveLength(3)
  })
})

describe('the addon', () => {
  it('offers its op tables and works with each of them', async () => {
    const tables = loadAddon().addon.opTables()
    expect(tables).toContain('scalar')
    for (const table of tables.filter((name) => name !== 'reference')) {
      await using other = await loadModel(modelFolder, { table })
      expect(other.table).toBe(table)
      await using context = await other.prefill(prompt, {
        compression: { prune: prunes.snapkv, quantize: kivi({ bits: 4 }), budget: { tokens: 200 } },
      })
      expect((await reply(context)).startsWith(answer), table).toBe(true)
    }
    await throwsKv('KV_INVALID_OPTION', /one of .* for table/, () => loadModel(modelFolder, { table: 'mmx' }))
  })

  it('works in a worker thread beside the main thread', async () => {
    const { addon, path } = loadAddon()
    const source = `
      const { parentPort, workerData } = require('node:worker_threads')
      const addon = require(workerData)
      const engine = addon.createEngine({ threads: 2 })
      parentPort.postMessage(engine.table)
      engine.dispose()
    `
    const worker = new Worker(source, { eval: true, workerData: path })
    const table = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(table).toBe(addon.opTables()[0])
    await worker.terminate()
  })
})
