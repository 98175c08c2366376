import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keydiff } from '@qpkv/pruner-keydiff'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import type { SpecInput } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { holdsItsPlan, ids, quiet } from './support/stored.ts'
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

describe('whenFull', () => {
  const whenFull = {
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 4, recent: 8 }),
    budget: { fraction: 0.25 },
  }
  /** Room for a prompt of 2,000 tokens that is read and about one and a half idle contexts beside it. */
  const openSmall = async () => {
    const probe = await loadModel(modelFolder, { threads: 2 })
    const one = await probe.prefill(ids(2000), quiet)
    const { granted, weights } = probe.stats().bytes
    const two = await probe.prefill(ids(2000, 2), quiet)
    const each = probe.stats().bytes.granted - granted
    const { prefillPeak } = probe.estimate(2000)
    for (const context of [one, two]) await context.dispose()
    await probe.dispose()
    return loadModel(modelFolder, { threads: 2, memoryLimit: weights + prefillPeak + Math.ceil(2.4 * each) })
  }

  it('keeps contexts exact until memory is short, then those used least lately are compressed', async () => {
    await using small = await openSmall()
    const texts = [1, 2, 3, 4]
    const contexts: Context[] = []
    for (const seed of texts) contexts.push(await small.prefill(ids(2000, seed), { whenFull, ...quiet }))
    const states = contexts.map((context) => context.report.recompressed?.length ?? 0)
    expect(states[0]).toBe(1)
    expect(states.at(-1)).toBe(0)
    expect(states).toEqual([...states].sort((a, b) => b - a))
    expect(small.stats().compressedInPlace).toBe(states.reduce((sum, n) => sum + n, 0))
    const [first] = contexts as [Context]
    expect(first.report.spec).toMatchObject(whenFull)
    holdsItsPlan(first, small)
    // Each still answers.
    for (const context of contexts) {
      await context.append(ids(20, 9))
      const { tokens } = await context.generate({ maxTokens: 4, stopTokens: [], temperature: 0 }).result
      expect(tokens).toHaveLength(4)
      await context.dispose()
    }
    expect(small.stats().bytes.granted).toBeLessThan(small.estimate(2000).prefillPeak)
  })

  it('is what a limit refuses otherwise', async () => {
    await using small = await openSmall()
    const texts = async () => {
      const contexts: Context[] = []
      for (const seed of [1, 2, 3, 4]) contexts.push(await small.prefill(ids(2000, seed), quiet))
      return contexts
    }
    await throwsKv('KV_MEMORY', /found no memory/, texts)
  })

  it('holds for forks and opened contexts, and leaves busy ones alone', async () => {
    await using small = await openSmall()
    const one = await small.prefill(ids(2000), { whenFull, ...quiet })
    const place = join(folder, 'exact')
    await one.save(place)
    const fork = one.fork()
    await one.dispose()
    // What was granted for the shared parts is the fork's now.
    expect(small.stats().bytes.granted).toBeGreaterThanOrEqual(fork.bytes)
    const opened = await small.open(place, { whenFull, ...quiet })
    const running = opened.generate({ maxTokens: 200, stopTokens: [], temperature: 0 })
    const piece = running[Symbol.asyncIterator]()
    await piece.next()
    const third = await small.prefill(ids(2000, 3), { whenFull, ...quiet })
    expect(fork.report.recompressed).toHaveLength(1)
    expect(opened.report.recompressed).toBeUndefined()
    expect((await running.result).tokens).toHaveLength(200)
    for (const context of [fork, opened, third]) await context.dispose()
  })

  it('is refused at once where it could not be done', async () => {
    await throwsKv('KV_UNSUPPORTED', /needs the prompt's queries/, () =>
      model.prefill(ids(100), {
        whenFull: { prune: snapkv({ window: 8 }), budget: { tokens: 40 } },
        ...quiet,
      }),
    )
    await throwsKv('KV_INVALID_SPEC', /prunee/, () =>
      model.prefill(ids(100), { whenFull: { prunee: 1 } as unknown as SpecInput, ...quiet }),
    )
    // Too short a text is not the spec's fault.
    await using short = await model.prefill(ids(4), { whenFull, ...quiet })
    expect(short.tokens).toBe(4)
  })
})
