import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { KvError, planBytes } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportTiles } from '../../packages/core/test/support/probe.ts'

// Every pruner and quantizer of the registry, on a cache that is there already.

const folder = mkdtempSync(join(tmpdir(), 'qpkv-recompress-'))
let exact: Model
beforeAll(async () => {
  exact = await loadModel(modelFolder, { threads: 2, methods: registry, precision: 'f32' })
})
afterAll(async () => {
  await exact.dispose()
  rmSync(folder, { recursive: true })
})

const ids = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => 20 + (((i + seed) * 7919) % 3600))
const quiet = { onWarning: () => undefined }
const names = (methods: ReadonlyMap<string, unknown>) =>
  [...new Set(methods.keys())].filter((name) => name !== 'none')

/** Options that suit 300 tokens. */
const options: Record<string, string> = {
  keydiff: ':last=8',
  lagkv: ':lag=64',
  layerquant: ':window=16',
  snapkv: ':window=16',
}
const specOf = (pruner: string) => `${pruner}${options[pruner] ?? ''}+kivi:bits=4,recent=8@120t`
/** Those whose scores are to be had from keys and values, or that need none. */
const fromCache = ['duoattention', 'keydiff', 'l2norm', 'lagkv', 'random', 'streamingllm']

const codes = (context: Context) => {
  const { layers, kvHeads } = exact.facts
  return Array.from({ length: layers * kvHeads }, (_, i) =>
    exportTiles(context, Math.floor(i / kvHeads), i % kvHeads),
  )
}

/** Both take their plan's bytes and hold the same. */
async function expectSame(again: Context, direct: Context): Promise<void> {
  for (const { report } of [again, direct]) {
    expect(report.bytes.allocated).toBe(report.bytes.planned)
    expect(report.bytes.planned).toBe(planBytes(report.plan, exact.facts).total)
  }
  expect(again.report.kept).toEqual(direct.report.kept)
  expect(again.report.plan).toEqual(direct.report.plan)
  await again.append(ids(40, 5))
  await direct.append(ids(40, 5))
}

describe('a whole cache in 32 bit, compressed again', () => {
  it.each(fromCache)('is what prefill makes of it by %s', async (pruner) => {
    const compression = specOf(pruner)
    await using again = await exact.prefill(ids(300, 1), quiet)
    await using direct = await exact.prefill(ids(300, 1), { compression, ...quiet })
    await again.recompress(compression)
    expect(codes(again)).toEqual(codes(direct))
    await expectSame(again, direct)
    expect(await again.logits()).toEqual(await direct.logits())
  })

  it.each([
    'l2norm~pyramid:beta=5+kivi:bits=4@25%',
    'keydiff:last=8~~ada+kivi:bits=2,recent=8@120t',
    'l2norm+kivi:bits=4@25%#heads=query',
    'keydiff:last=8+turboquant@20%B#tiers=8:0.1,4:0.3,2',
    'l2norm+kivi:bits=4@120t#0-1:keyBits=8,valueBits=8',
  ])('is what prefill makes of it by %s', async (compression) => {
    await using again = await exact.prefill(ids(300, 1), quiet)
    await using direct = await exact.prefill(ids(300, 1), { compression, ...quiet })
    await again.recompress(compression)
    await expectSame(again, direct)
    expect(await again.logits()).toEqual(await direct.logits())
  })

  it.each(names(registry.quantizers).filter((name) => name !== 'layerquant'))(
    'is stored by %s as prefill stores it, or is refused by name',
    async (quantizer) => {
      const compression = `none+${quantizer}`
      await using again = await exact.prefill(ids(300, 1), quiet)
      await using direct = await exact.prefill(ids(300, 1), { compression, ...quiet })
      await again.recompress(compression)
      await expectSame(again, direct)
      const [one, two] = [await again.logits(), await direct.logits()]
      // Keys that lie before RoPE were turned back to get there: rounding may choose another code here and there.
      const most = Math.max(...one.map((value, i) => Math.abs(value - two[i]!)))
      const turned = direct.report.plan.layers.some(({ keys }) => keys.rope === 'before')
      expect(most).toBeLessThanOrEqual(turned ? 0.5 : 0)
    },
  )
})

describe('every pruner', () => {
  it.each(names(registry.pruners))('%s goes from a cache, or says that it cannot', async (pruner) => {
    await using context = await exact.prefill(ids(300, 1), quiet)
    const before = { bytes: context.bytes, plan: context.report.plan }
    const failure: unknown = await context.recompress(specOf(pruner)).then(
      () => undefined,
      (cause: unknown) => cause,
    )
    if (fromCache.includes(pruner)) {
      expect(failure).toBeUndefined()
      expect(context.bytes).toBeLessThan(before.bytes)
      return
    }
    expect(KvError.isInstance(failure) && failure.code, String(failure)).toBe('KV_UNSUPPORTED')
    expect((failure as KvError).hint).toMatch(/prefill again/i)
    expect(context.bytes).toBe(before.bytes)
    expect(context.report.plan).toEqual(before.plan)
  })
})

describe('step after step', () => {
  it('from exact to 8, 4 and 2 bit, saved, forked and asked between', async () => {
    let context = await exact.prefill(ids(600, 1), quiet)
    let { bytes } = context
    for (const spec of [
      'none+int8',
      'l2norm+kivi:bits=4,recent=16@50%',
      'keydiff:last=8+turboquant:bits=2@25%',
      'lagkv:lag=64+hadamard:bits=2@15%',
      'streamingllm+hadamard:bits=2@64t',
    ]) {
      await context.recompress(spec)
      expect(context.bytes).toBeLessThan(bytes)
      expect(context.report.bytes.planned).toBe(planBytes(context.report.plan, exact.facts).total)
      expect(context.report.bytes.allocated).toBe(context.report.bytes.planned)
      bytes = context.bytes
      const path = join(folder, 'step')
      await context.save(path)
      const opened = await exact.open(path, quiet)
      const fork = opened.fork()
      await context.dispose()
      const { tokens } = await fork.generate({ maxTokens: 5, stopTokens: [], temperature: 0 }).result
      expect(tokens).toHaveLength(5)
      await fork.dispose()
      context = opened
    }
    expect(context.report.recompressed).toHaveLength(5)
    await context.dispose()
  })
})
