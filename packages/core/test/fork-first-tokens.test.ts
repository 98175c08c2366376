import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { snapkv } from '@qpkv/pruner-snapkv'
import { modelFolder } from '@qpkv/reference-model'
import type { SpecInput } from '@qpkv/spec'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { kivi } from '@qpkv/quantizer-kivi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
const folder = mkdtempSync(join(tmpdir(), 'qpkv-cut-'))
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await model.dispose()
})

const ids = Array.from({ length: 330 }, (_, i) => 5 + ((i * 37) % 900))
const other = Array.from({ length: 40 }, (_, i) => 11 + ((i * 53) % 900))
const prefill = (tokens: readonly number[], compression: SpecInput = {}) =>
  model.prefill([...tokens], { compression, onWarning: () => undefined })
const reply = async (context: Context) => [
  ...(await context.generate({ maxTokens: 6, temperature: 0, stopTokens: [] }).result).tokens,
]

/** Read together, and in two steps, the last token of the first one apart, as a cut context reads it. */
async function readInSteps(first: readonly number[], then: readonly number[]): Promise<Context> {
  const context = await prefill(first.slice(0, -1))
  await context.append(first.slice(-1))
  await context.append([...then])
  return context
}

describe('a fork of the first tokens', () => {
  // Borders of blocks and tiles, a token beside them, the shortest and the longest.
  it.each([2, 16, 17, 64, 65, 128, 129, 200, 256, 329, 330])(
    'at %i reads on as a context of its own',
    async (n) => {
      await using context = await prefill(ids)
      expect(context.keepsAll).toBe(true)
      await using cut = context.fork({ tokens: n })
      expect(cut.tokens).toBe(n)
      await cut.append(other)
      await using fresh = await readInSteps(ids.slice(0, n), other)
      expect(await cut.logits()).toEqual(await fresh.logits())
      expect(await reply(cut)).toEqual(await reply(fresh))
      expect(cut.positions(0, 0)).toEqual(fresh.positions(0, 0))
      // The one that it was cut from is as it was.
      await using whole = await prefill(ids)
      expect(await context.logits()).toEqual(await whole.logits())
      expect(await reply(context)).toEqual(await reply(whole))
    },
  )

  it('has its own logits without anything appended, and its own report', async () => {
    await using context = await prefill(ids)
    await using cut = context.fork({ tokens: 100 })
    await using fresh = await readInSteps(ids.slice(0, 100), [])
    expect(await cut.logits()).toEqual(await fresh.logits())
    expect(cut.report).toMatchObject({ tokens: 100, promptTokens: 99 })
    expect(cut.report.held.flat().every((held) => held === 100)).toBe(true)
    expect(cut.bytes).toBeLessThan(context.bytes)
  })

  it('ends between what was appended and generated, too', async () => {
    await using context = await prefill(ids.slice(0, 90))
    await context.append(other)
    const said = await reply(context)
    await using cut = context.fork({ tokens: 134 })
    await using fresh = await prefill(ids.slice(0, 90))
    await fresh.append(other)
    await fresh.append(said.slice(0, 4))
    expect(await reply(cut)).toEqual(await reply(fresh))
  })

  it('outlives what it was cut from, is forked and cut again, saved and opened', async () => {
    const context = await prefill(ids)
    await using cut = context.fork({ tokens: 150 })
    await context.dispose()
    await using again = cut.fork({ tokens: 70 })
    await using twin = cut.fork()
    const file = join(folder, 'cut.context')
    await cut.save(file)
    await using opened = await model.open(file)
    await using fresh = await readInSteps(ids.slice(0, 70), other)
    await again.append(other)
    expect(await reply(again)).toEqual(await reply(fresh))
    const said = await reply(cut)
    expect(await reply(twin)).toEqual(said)
    expect(await reply(opened)).toEqual(said)
  })

  it('is whole with all tokens, whatever the cache', async () => {
    await using context = await prefill(ids, {
      prune: snapkv(),
      budget: { tokens: 64 },
      quantize: kivi({ bits: 4 }),
    })
    await using twin = context.fork({ tokens: ids.length })
    expect(await reply(twin)).toEqual(await reply(context))
  })

  it('is granted no more memory than it may need', async () => {
    await using context = await prefill(ids)
    const before = model.stats().bytes.granted
    const cut = context.fork({ tokens: 100 })
    await cut.append(Array.from({ length: 300 }, () => 7))
    expect(model.stats().bytes.granted).toBeGreaterThan(before)
    await cut.dispose()
    expect(model.stats().bytes.granted).toBe(before)
  })
})

describe('a cut is refused', () => {
  it.each<[string, SpecInput]>([
    ['dropped', { prune: snapkv(), budget: { tokens: 64 } }],
    ['dropped while decoding', { prune: streamingllm(), budget: { tokens: 64 } }],
    ['rounded', { quantize: kivi({ bits: 4 }) }],
    ['rounded but the newest', { quantize: kivi({ bits: 8, recent: 512 }) }],
  ])('where tokens were, or may be, %s', async (_, spec) => {
    await using context = await prefill(ids, spec)
    expect(context.keepsAll).toBe(false)
    await throwsKv('KV_UNSUPPORTED', /holds every token exactly/, () => context.fork({ tokens: 100 }))
  })

  it('for no such number of tokens, and for options that fork() does not read', async () => {
    await using context = await prefill(ids)
    for (const tokens of [-1, 0, 1, 1.5, 331, NaN, '20' as never])
      await throwsKv('KV_INVALID_OPTION', /whole number from 2 to 330/, () => context.fork({ tokens }))
    await throwsKv('KV_INVALID_OPTION', /tokens/, () => context.fork({ token: 20 } as never))
  })
})
