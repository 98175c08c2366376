import { loadModel, type Context, type Model } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { needlePrompt } from './needle-prompt.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2 })
})
afterAll(() => model.dispose())

// Whatever was cancelled, the model must go on as if nothing had been.
afterEach(async () => {
  await using context = await model.prefill(needlePrompt())
  expect((await context.generate({ maxTokens: 5, stop: ['.'] }).result).text).toMatch(/1234567/)
})

const longIds = Array.from({ length: 4000 }, (_, i) => 20 + ((i * 7919) % 3600))
const aborted = (): AbortSignal => AbortSignal.abort()
const abortIn = (ms: number): AbortSignal => AbortSignal.timeout(ms)

async function expectAborted(work: Promise<unknown>): Promise<void> {
  const cause: unknown = await work.then(
    () => 'it went through',
    (error: unknown) => error,
  )
  expect(KvError.isInstance(cause) ? cause.code : cause).toBe('KV_ABORTED')
}

async function inContext(work: (context: Context) => Promise<void>): Promise<void> {
  await using context = await model.prefill(needlePrompt())
  await work(context)
}

describe('loading ends', () => {
  it.each(['files', 'weights'] as const)('at the stage %s', async (wanted) => {
    const controller = new AbortController()
    await expectAborted(
      loadModel(modelFolder, {
        threads: 1,
        signal: controller.signal,
        onProgress: ({ stage }) => {
          if (stage === wanted) controller.abort()
        },
      }),
    )
  })
})

describe('a prefill ends', () => {
  it('before it begins', async () => {
    await expectAborted(model.prefill(longIds, { signal: aborted() }))
  })

  it('between layers', async () => {
    const controller = new AbortController()
    const layers: number[] = []
    await expectAborted(
      model.prefill(longIds.slice(0, 500), {
        signal: controller.signal,
        onProgress: ({ layer }) => {
          layers.push(layer)
          if (layer === 2) controller.abort()
        },
      }),
    )
    expect(layers).toEqual([1, 2])
  })

  it('inside a layer, long before it would be done', async () => {
    const whole = performance.now()
    await (await model.prefill(longIds)).dispose()
    const wholeMs = performance.now() - whole
    const started = performance.now()
    await expectAborted(model.prefill(longIds, { signal: abortIn(20) }))
    expect(performance.now() - started).toBeLessThan(Math.max(500, wholeMs * 0.7))
  })
})

describe('a reply ends', () => {
  it('before it begins', async () => {
    await inContext(async (context) => {
      await expectAborted(context.generate({ signal: aborted() }).result)
    })
  })

  it('in the middle, and the context goes on', async () => {
    await inContext(async (context) => {
      const controller = new AbortController()
      const run = context.generate({ maxTokens: 500, stopTokens: [], signal: controller.signal })
      let pieces = 0
      const reading = (async () => {
        for await (const _ of run) if (++pieces === 3) controller.abort()
      })()
      await expectAborted(reading)
      await expectAborted(run.result)
      expect(pieces).toBeLessThan(20)
      expect((await context.generate({ maxTokens: 4, stopTokens: [] }).result).tokens).toHaveLength(4)
    })
  })

  it('by leaving the loop', async () => {
    await inContext(async (context) => {
      const run = context.generate({ maxTokens: 500, stopTokens: [] })
      for await (const piece of run) if (piece.token >= 0) break
      expect((await run.result).finishReason).toBe('abort')
    })
  })

  it('when its context is disposed', async () => {
    const context = await model.prefill(needlePrompt())
    const run = context.generate({ maxTokens: 2000, stopTokens: [] })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await context.dispose()
    await expectAborted(run.result)
  })
})

describe('appending ends', () => {
  it('before it begins, with nothing added', async () => {
    await inContext(async (context) => {
      const before = context.tokens
      await expectAborted(context.append(longIds, { signal: aborted() }))
      expect(context.tokens).toBe(before)
    })
  })

  it('in the middle, with the beginning added, and the context goes on', async () => {
    await inContext(async (context) => {
      const before = context.tokens
      await expectAborted(context.append(longIds, { signal: abortIn(30) }))
      expect(context.tokens).toBeLessThan(before + longIds.length)
      await context.append([100])
      expect((await context.generate({ maxTokens: 2, stopTokens: [] }).result).tokens).toHaveLength(2)
    })
  })
})
