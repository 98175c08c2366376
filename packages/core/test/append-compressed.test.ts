import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { streamingllm } from '@qpkv/pruner-streamingllm'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { planBytes, type SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { ids, quiet, stored } from './support/stored.ts'
import { throwsKv } from './support/throws.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-recompress-'))
let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(async () => {
  await model.dispose()
  rmSync(folder, { recursive: true })
})

describe('append with compress', () => {
  const before: Record<string, SpecInput> = {
    'an exact context': {},
    'a context at 4 bit': { quantize: kivi({ bits: 4, group: 32, recent: 8 }) },
    'a pruned context at 8 bit': {
      prune: keydiff({ last: 8 }),
      quantize: kivi({ bits: 8, group: 32, recent: 16 }),
      budget: { tokens: 120 },
    },
  }
  const compress = {
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 2, group: 32, recent: 8 }),
    budget: { tokens: 60 },
  }

  it.each(Object.entries(before))(
    'compresses the text and leaves the rest as it lies: %s',
    async (_, compression) => {
      await using context = await model.prefill(ids(300), { compression, ...quiet })
      await context.append(ids(37, 8))
      const held = context.report.held[0]![0]!
      const positions = [...context.positions(0, 1)]
      const packed = (of: Context) =>
        stored(of, model.facts).map(({ key, value }) =>
          [key, value].map((parts) => parts.filter(({ bits }) => bits !== 16)),
        )
      const lay = packed(context)
      const first = context.tokens
      await context.append(ids(200, 4), { compress })
      expect(context.tokens).toBe(first + 200)
      const { report } = context
      expect(report.recompressed).toMatchObject([{ after: first, tokens: first + 200 }])
      expect(report.bytes.allocated).toBe(report.bytes.planned)
      expect(report.bytes.planned).toBe(planBytes(report.plan, model.facts).total)
      expect(context.bytes).toBe(report.bytes.planned - report.bytes.tables + report.bytes.grown)
      for (const heads of report.held) expect(heads.every((count) => count === held + 60)).toBe(true)
      const now = context.positions(0, 1)
      expect(Array.from(now.slice(0, held))).toEqual(positions)
      expect(Array.from(now.slice(-8))).toEqual(Array.from({ length: 8 }, (_, i) => first + 192 + i))
      expect(now.slice(held).every((position) => position >= first)).toBe(true)
      // Codes of what was there are the same codes.
      for (const [head, tensors] of packed(context).entries())
        for (const [tensor, parts] of tensors.entries())
          expect(parts.slice(0, lay[head]![tensor]!.length)).toEqual(lay[head]![tensor])
      // Again, and through a file.
      const place = join(folder, 'appended')
      await context.append(ids(90, 6), { compress: { ...compress, budget: { tokens: 20 } } })
      await context.save(place)
      await using opened = await model.open(place, quiet)
      expect(opened.report.recompressed).toHaveLength(2)
      const reply = { maxTokens: 30, stopTokens: [], temperature: 0, logprobs: 1 }
      const said = await context.generate(reply).result
      const again = await opened.generate(reply).result
      expect(again.logprobs).toEqual(said.logprobs)
      expect(context.report.held[1]![0]).toBe(held + 80 + 29)
    },
  )

  it('is what recompressing the text alone comes to, where nothing was there before', async () => {
    // In 32 bit, where what is appended lies as exactly as what is computed.
    await using exact = await loadModel(modelFolder, { threads: 2, precision: 'f32' })
    await using appended = await exact.prefill(ids(1), quiet)
    await appended.append(ids(200, 4), { compress })
    await using whole = await exact.prefill(Int32Array.from([...ids(1), ...ids(200, 4)]), quiet)
    await whole.recompress(compress)
    const of = (context: Context) => context.report.held[2]![0]
    expect(of(appended)).toBe(61)
    expect(of(whole)).toBe(60)
  })

  it('refuses what cannot lie behind what is there, before it reads anything', async () => {
    await using context = await model.prefill(ids(100), {
      compression: { quantize: kivi({ bits: 4 }) },
      ...quiet,
    })
    const { bytes } = context
    for (const [spec, pattern] of [
      [{ prune: snapkv({ window: 8 }), budget: { tokens: 20 } }, /queries/],
      [{ prune: streamingllm({ decode: 'roll' }), budget: { tokens: 20 } }, /drops tokens/],
      [{ heads: 'query' }, /per KV head/],
    ] as const)
      await throwsKv('KV_UNSUPPORTED', pattern, () =>
        context.append(ids(50, 3), { compress: spec as SpecInput }),
      )
    await throwsKv('KV_INVALID_OPTION', /compress/, () =>
      context.appendLogits(ids(5), { compress: {} } as unknown as object),
    )
    expect(context.tokens).toBe(100)
    expect(context.bytes).toBe(bytes)
    const controller = new AbortController()
    const appending = context.append(ids(1200, 3), { compress, signal: controller.signal })
    controller.abort()
    await throwsKv('KV_ABORTED', /./, () => appending)
    // What was read by then is stored by the context's plan from the next step on.
    await context.append(ids(40, 5))
    expect(context.report.held[0]![0]).toBe(context.tokens)
  })
})
