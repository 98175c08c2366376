import { readFile } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Context, type Model } from '../src/index.ts'
import { throwsKv } from './support/throws.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2, precision: 'f32' })
})
afterAll(() => model.dispose())

const ids = (count: number, seed = 0) =>
  Array.from({ length: count }, (_, i) => 20 + ((i * 7919 + seed) % 3600))
const percentile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? NaN

const compressions = [
  {},
  { quantize: kivi({ bits: 4 }) },
  { prune: keydiff({ last: 8 }), budget: { tokens: 64 } },
]

async function answer(at: number): Promise<{ tokens: readonly number[]; logits: Float32Array }> {
  await using context = await model.prefill(ids(100 + 90 * at, at), {
    compression: compressions[at % compressions.length] ?? {},
  })
  const first = await context.generate({ maxTokens: 8, stopTokens: [], temperature: 1, seed: at }).result
  await context.append(ids(150, at))
  const second = await context.generate({ maxTokens: 8, stopTokens: [], temperature: 0 }).result
  return { tokens: [...first.tokens, ...second.tokens], logits: await context.logits() }
}

describe('requests beside one another', () => {
  it('get what they get alone, to the bit, and share steps', async () => {
    const alone = []
    for (let at = 0; at < 8; at++) alone.push(await answer(at))
    const before = model.stats()
    const together = await Promise.all(alone.map((_, at) => answer(at)))
    const after = model.stats()
    expect(together).toEqual(alone)
    // 8 answers of 14 decoded tokens and 2 pieces of text each.
    expect(after.steps - before.steps).toBeLessThan(8 * 16 * 0.95)
    expect(after.tokens.prompt - before.tokens.prompt).toBe(8 * 100 + 90 * 28)
    expect(after.queue).toEqual({ prompts: 0, contexts: 0, waitingForMemory: 0 })
  })

  it('are read in order, each as soon as those before it', async () => {
    const order: number[] = []
    const done = (at: number) => async (context: Context) => {
      order.push(at)
      await context.dispose()
    }
    await Promise.all([900, 30, 600, 30].map((count, at) => model.prefill(ids(count, at)).then(done(at))))
    expect(order).toEqual([0, 1, 2, 3])
  })

  it('leave a running reply its tokens', async () => {
    await using context = await model.prefill(ids(50))
    const prompts = Promise.all([1500, 1500].map((count, at) => model.prefill(ids(count, at))))
    let during = 0
    let reading = true
    void prompts.then(() => (reading = false))
    for await (const _ of context.generate({ maxTokens: 4000, stopTokens: [], temperature: 0 })) {
      if (!reading) break
      during++
    }
    for (const other of await prompts) await other.dispose()
    // 2 prompts of 3 chunks a layer: a token between any two units.
    expect(during).toBeGreaterThan(2 * 3 * model.facts.layers * 0.5)
  })

  it('leave the event loop and its files alone', async () => {
    await using context = await model.prefill(ids(20))
    const read: number[] = []
    const asked: number[] = []
    const watch = new AbortController()
    const reader = (async () => {
      while (!watch.signal.aborted) {
        const before = performance.now()
        void context.report
        void context.bytes
        const between = performance.now()
        await readFile(fileURLToPath(import.meta.url))
        asked.push(between - before)
        read.push(performance.now() - between)
      }
    })()
    const prompts = await Promise.all(Array.from({ length: 8 }, (_, at) => model.prefill(ids(1200, at))))
    watch.abort()
    await reader
    for (const other of prompts) await other.dispose()
    // Far above what they take, far below what waiting for the engine would.
    expect(percentile(read, 0.5)).toBeLessThan(10)
    expect(percentile(asked, 0.5)).toBeLessThan(5)
  })
})

describe('a signal', () => {
  it('ends a prompt that waits for its turn at once, with its reason', async () => {
    const long = model.prefill(ids(1500))
    const controller = new AbortController()
    const waiting = model.prefill(ids(1500, 1), { signal: controller.signal })
    const why = new Error('gone')
    controller.abort(why)
    await expect(waiting).rejects.toMatchObject({ code: 'KV_ABORTED', cause: why })
    expect(model.stats().queue.prompts).toBe(1)
    await (await long).dispose()
  })

  it('ends a running prompt within a step', async () => {
    const controller = new AbortController()
    const running = model.prefill(ids(1500), {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    await throwsKv('KV_ABORTED', /cancelled/, () => running)
    await using context = await model.prefill(ids(30))
    expect(context.tokens).toBe(30)
  })
})

it('contexts are disposed of at any point of their work, while others go on', async () => {
  await using witness = await model.prefill(ids(40))
  const want = await witness.fork().generate({ maxTokens: 40, stopTokens: [], temperature: 0 }).result
  const going = witness.generate({ maxTokens: 40, stopTokens: [], temperature: 0 }).result
  const codes = new Set<unknown>()
  const note = (cause: unknown) => void codes.add((cause as { code?: unknown }).code)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const one = async (at: number) => {
    const context = await model.prefill(ids(100 + at, at))
    const work =
      at % 3 === 0
        ? context.generate({ maxTokens: 500, stopTokens: [] }).result
        : at % 3 === 1
          ? context.append(ids(1500, at))
          : (async () => {
              for await (const _ of context.generate({ maxTokens: 500, stopTokens: [] })) await pause(1)
            })()
    work.catch(note)
    await pause((at * 7) % 23)
    await context.dispose()
    await work.catch(() => undefined)
    await throwsKv('KV_DISPOSED', /disposed/, () => context.report)
  }
  await Promise.all(Array.from({ length: 24 }, (_, at) => one(at)))
  expect((await going).tokens).toEqual(want.tokens)
  expect([...codes]).toEqual(['KV_ABORTED'])
  expect(model.stats().queue).toEqual({ prompts: 0, contexts: 0, waitingForMemory: 0 })
})

it('an error of onProgress ends the prefill', async () => {
  const failing = model.prefill(ids(600), {
    onProgress: () => {
      throw new Error('no room on the screen')
    },
  })
  await expect(failing).rejects.toThrow('no room on the screen')
})

describe('against a limit of memory', () => {
  /** A model with room for so many contexts of 600 tokens, and for reading one prompt. */
  const open = async (contexts: number) => {
    await using first = await model.prefill(ids(600)) // what steps share is there now
    const before = model.stats().bytes.granted
    const second = await model.prefill(ids(600))
    const each = model.stats().bytes.granted - before
    await second.dispose()
    const scratch = before - each
    const work = model.estimate(600).prefillPeak - scratch
    expect(first.tokens).toBe(600)
    const memoryLimit = model.weightBytes + scratch + work + contexts * each
    return loadModel(modelFolder, { threads: 2, precision: 'f32', memoryLimit })
  }

  it('those that fit run, the others wait in order, and none fails', async () => {
    await using limited = await open(1.5)
    const order: number[] = []
    let most = 0
    let waited = false
    const request = async (at: number) => {
      await using context = await limited.prefill(ids(600, at))
      order.push(at)
      let read = 0
      for await (const _ of context.generate({ maxTokens: 60, stopTokens: [] })) {
        const { bytes, queue } = limited.stats()
        most = Math.max(most, bytes.granted / bytes.limit)
        waited ||= queue.waitingForMemory > 0
        read++
      }
      return read
    }
    expect(await Promise.all(Array.from({ length: 12 }, (_, at) => request(at)))).toEqual(
      Array.from({ length: 12 }, () => 60),
    )
    expect(order).toEqual(Array.from({ length: 12 }, (_, at) => at))
    expect(most).toBeLessThanOrEqual(1)
    expect(waited).toBe(true)
    // Only what steps share is kept, and the last context's share of it is gone with it.
    expect(limited.stats().bytes.granted).toBeLessThanOrEqual(model.stats().bytes.granted)
  })

  it('a prompt that waits can be cancelled', async () => {
    await using limited = await open(1.5)
    await using held = await limited.prefill(ids(600))
    const controller = new AbortController()
    const waiting = limited.prefill(ids(600, 1), { signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(limited.stats().queue).toMatchObject({ prompts: 1, waitingForMemory: 1 })
    controller.abort(new Error('no patience'))
    await throwsKv('KV_ABORTED', /no patience/, () => waiting)
    expect(held.tokens).toBe(600)
  })

  it('what would not fit alone is refused at once', async () => {
    await using limited = await open(-0.5)
    await throwsKv('KV_MEMORY', /A prefill of 600 tokens needs/, () => limited.prefill(ids(600)))
  })

  it('a context that is disposed of makes room', async () => {
    await using limited = await open(1.5)
    const first = await limited.prefill(ids(600))
    const second = limited.prefill(ids(600, 1))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await first.dispose()
    await using context = await second
    expect(context.tokens).toBe(600)
  })
})
