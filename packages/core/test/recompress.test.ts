import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { h2o } from '@qpkv/pruner-h2o'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import type { SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { holdsItsPlan, ids, quiet, stored } from './support/stored.ts'
import { throwsKv } from './support/throws.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-recompress-'))
let model: Model
/** Stores exactly what it computes, so that reading it back changes nothing. */
let exact: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
  exact = await loadModel(modelFolder, { threads: 2, precision: 'f32' })
})
afterAll(async () => {
  await model.dispose()
  await exact.dispose()
  rmSync(folder, { recursive: true })
})

const fromKeys: Record<string, SpecInput> = {
  'exact again': {},
  '4 bit': { quantize: kivi({ bits: 4, group: 32, recent: 8 }) },
  '2 bit, keys by block': { quantize: kivi({ bits: 2, group: 32, recent: 32, residual: 'kivi' }) },
  'keydiff at 4 bit': {
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 4, recent: 8 }),
    budget: { tokens: 100 },
  },
  'keydiff, real bytes': { prune: keydiff({ last: 8 }), budget: { bytes: '96KiB' } },
  'keydiff per query head': { heads: 'query', prune: keydiff({ last: 8 }), budget: { tokens: 60 } },
  'first and last': { prune: streamingllm({ sinks: 4 }), budget: { tokens: 64 } },
  'first and last, rolling, by cache position': {
    prune: streamingllm({ positions: 'cache', decode: 'roll' }),
    budget: { tokens: 64 },
  },
}

describe('a whole cache in 32 bit, compressed again', () => {
  it.each(Object.entries(fromKeys))('is the cache that prefill makes: %s', async (name, compression) => {
    await using again = await exact.prefill(ids(300), quiet)
    await using direct = await exact.prefill(ids(300), { compression, ...quiet })
    await again.recompress(compression)
    holdsItsPlan(again, exact)
    expect(again.report.kept).toEqual(direct.report.kept)
    expect(again.report.plan).toEqual(direct.report.plan)
    expect(again.positions(1, 0)).toEqual(direct.positions(1, 0))
    // Keys that lie before RoPE were turned and turned back.
    const bits = !name.includes('cache position')
    const values = (context: Context) =>
      stored(context, { ...exact.facts, ...(name.includes('query') && { kvHeads: exact.facts.queryHeads }) })
    if (bits) expect(values(again)).toEqual(values(direct))
    await again.append(ids(60, 4))
    await direct.append(ids(60, 4))
    if (bits) expect(await again.logits()).toEqual(await direct.logits())
    const reply = { maxTokens: 12, stopTokens: [], temperature: 0 }
    expect((await again.generate(reply).result).tokens).toEqual((await direct.generate(reply).result).tokens)
  })
})

describe('recompress', () => {
  it.each(Object.entries(fromKeys))('takes the bytes of its plan and goes on: %s', async (_, compression) => {
    await using context = await model.prefill(ids(250), quiet)
    await context.generate({ maxTokens: 20, stopTokens: [], temperature: 0 }).result
    await context.append(ids(40, 3))
    await using fork = context.fork()
    const before = { bytes: context.bytes, tokens: context.tokens, logits: await fork.logits() }
    await context.recompress(compression)
    holdsItsPlan(context, model)
    expect(context.tokens).toBe(before.tokens)
    expect(context.report.promptTokens).toBe(before.tokens)
    expect(context.report.recompressed).toMatchObject([
      { tokens: before.tokens, bytes: { before: before.bytes, after: context.bytes } },
    ])
    // The text said so far is the same, and so are the logits behind it.
    expect(await context.logits()).toEqual(before.logits)
    expect(fork.bytes).toBe(before.bytes)
    const place = join(folder, 'again')
    await context.save(place)
    await using opened = await model.open(place, quiet)
    expect(opened.report.recompressed).toEqual(context.report.recompressed)
    expect(opened.report.kept).toEqual(context.report.kept)
    const reply = { maxTokens: 15, stopTokens: [], temperature: 0, logprobs: 1 }
    const [said, openedSaid] = await Promise.all([
      context.generate(reply).result,
      opened.generate(reply).result,
    ])
    expect(openedSaid.tokens).toEqual(said.tokens)
    expect(openedSaid.logprobs).toEqual(said.logprobs)
  })

  it('drops further what was dropped before, and only that', async () => {
    await using context = await model.prefill(ids(400), {
      compression: { prune: keydiff({ last: 8 }), budget: { tokens: 200 } },
      ...quiet,
    })
    const seen = () =>
      context.report.held.map((heads, layer) => heads.map((_, head) => [...context.positions(layer, head)]))
    await context.append(ids(30, 7))
    let held = seen()
    let { bytes } = context
    for (const tokens of [150, 80, 40]) {
      await context.recompress({
        prune: keydiff({ last: 8 }),
        quantize: kivi({ bits: tokens > 100 ? 8 : 4, recent: 8 }),
        budget: { tokens },
      })
      holdsItsPlan(context, model)
      const now = seen()
      for (const [layer, heads] of now.entries())
        for (const [head, positions] of heads.entries()) {
          expect(positions).toHaveLength(tokens)
          const earlier = new Set(held[layer]![head])
          expect(positions.every((position) => earlier.has(position))).toBe(true)
          // The newest are protected.
          expect(positions.slice(-8)).toEqual(Array.from({ length: 8 }, (_, i) => context.tokens - 8 + i))
        }
      expect(context.bytes).toBeLessThan(bytes)
      held = now
      bytes = context.bytes
    }
    expect(context.report.recompressed).toHaveLength(3)
    // More places than tokens: all that is there stays.
    await context.recompress({ prune: keydiff({ last: 8 }), budget: { tokens: 300 } })
    expect(seen()).toEqual(held)
    holdsItsPlan(context, model)
  })

  it('reads values as they were stored, coded ones from their codes', async () => {
    await using context = await model.prefill(ids(200), {
      compression: { quantize: kivi({ bits: 4, group: 32, recent: 0 }) },
      ...quiet,
    })
    const values = () =>
      stored(context, model.facts).map(({ key, value }) =>
        [...key, ...value].flatMap((part) => [...part.values]),
      )
    const coded = values()
    await context.recompress({})
    const again = values()
    // Exactly what the codes read as, in bf16.
    const wrong = again.flatMap((list, i) =>
      list.filter((value, j) => !(Math.abs(value - coded[i]![j]!) <= Math.abs(coded[i]![j]!) / 256)),
    )
    expect(wrong).toEqual([])
  })

  it('goes on with the running scores of a context that evicts by them', async () => {
    const compression = { prune: h2o({ decode: 'evict' }), budget: { tokens: 96 } }
    await using context = await model.prefill(ids(300), { compression, ...quiet })
    await context.append(ids(50, 2))
    const before = new Set(context.positions(0, 0))
    await context.recompress({
      ...compression,
      quantize: kivi({ bits: 4, recent: 16 }),
      budget: { tokens: 48 },
    })
    const after = context.positions(0, 0)
    expect(after).toHaveLength(48)
    expect(after.every((position) => before.has(position))).toBe(true)
    holdsItsPlan(context, model)
    await context.generate({ maxTokens: 30, stopTokens: [], temperature: 0 }).result
    expect(context.report.held[0]![0]).toBe(48)
    await context.recompress({ prune: streamingllm({ sinks: 4 }), budget: { tokens: 24 } })
    expect(context.positions(0, 0)).toHaveLength(24 - [0, 1, 2, 3].filter((at) => !after.includes(at)).length)
  })

  it('is bit-equal over threads', async () => {
    const said: unknown[] = []
    for (const threads of [1, 2, 5]) {
      await using one = await loadModel(modelFolder, { threads })
      await using context = await one.prefill(ids(260), quiet)
      await context.recompress(fromKeys['keydiff at 4 bit']!)
      await context.append(ids(20, 2))
      said.push([stored(context, one.facts), await context.logits()])
    }
    expect(said[1]).toEqual(said[0])
    expect(said[2]).toEqual(said[0])
  })

  it('leaves replies of other contexts as they are', async () => {
    await using one = await model.prefill(ids(200, 9), quiet)
    await using other = one.fork()
    await using squeezed = await model.prefill(ids(400), quiet)
    const reply = { maxTokens: 40, stopTokens: [], temperature: 0 }
    const alone = await one.generate(reply).result
    const beside = other.generate(reply)
    await squeezed.recompress(fromKeys['4 bit']!)
    expect((await beside.result).tokens).toEqual(alone.tokens)
  })

  it('refuses what it cannot do, and leaves the context as it was', async () => {
    await using context = await model.prefill(ids(200), quiet)
    const before = { bytes: context.bytes, report: context.report.plan, logits: await context.logits() }
    const budget = { tokens: 50 }
    await throwsKv(
      'KV_UNSUPPORTED',
      /'attention' \(layer 0\) needs the prompt's queries[\s\S]*keys, values or positions/,
      () => context.recompress({ prune: snapkv({ window: 16 }), budget }),
    )
    await throwsKv('KV_UNSUPPORTED', /queries[\s\S]*A context that evicts by a running score goes on/, () =>
      context.recompress({ prune: h2o({ decode: 'evict' }), budget }),
    )
    await throwsKv('KV_BUDGET_TOO_SMALL', /smallest/, () =>
      context.recompress({ prune: keydiff({ last: 60 }), budget }),
    )
    await throwsKv('KV_INVALID_OPTION', /canary/, () =>
      context.recompress({ canary: true } as unknown as SpecInput),
    )
    await throwsKv('KV_INVALID_OPTION', /signal/, () =>
      context.recompress({}, { sginal: AbortSignal.abort() } as object),
    )
    await throwsKv('KV_ABORTED', /./, () => context.recompress({}, { signal: AbortSignal.abort() }))
    const running = context.recompress({ quantize: kivi({ bits: 4 }) })
    await throwsKv('KV_BUSY', /recompress/, () => context.recompress({}))
    await running
    await using perHead = await model.prefill(ids(100), { compression: { heads: 'query' }, ...quiet })
    await throwsKv('KV_UNSUPPORTED', /#heads=query/, () => perHead.recompress({}))
    await using untouched = await model.prefill(ids(200), quiet)
    await throwsKv('KV_UNSUPPORTED', /./, () =>
      untouched.recompress({ prune: snapkv({ window: 16 }), budget }),
    )
    expect(untouched.bytes).toBe(before.bytes)
    expect(untouched.report.plan).toEqual(before.report)
    expect(await untouched.logits()).toEqual(before.logits)
    expect(untouched.report.recompressed).toBeUndefined()
  })

  it('gives its memory back', async () => {
    await using limited = await loadModel(modelFolder, { threads: 2 })
    const before = limited.stats()
    await using context = await limited.prefill(ids(2000), quiet)
    const full = limited.stats()
    await context.recompress({
      prune: keydiff({ last: 8 }),
      quantize: kivi({ bits: 4 }),
      budget: { fraction: 0.25 },
    })
    const after = limited.stats()
    const of = ({ bytes }: typeof before) => bytes.granted
    expect(of(full) - of(after)).toBeGreaterThan(context.report.fullBytes * 0.8)
    expect(of(after)).toBeGreaterThanOrEqual(of(before) + context.bytes)
  })
})
