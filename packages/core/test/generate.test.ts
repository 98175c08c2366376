import { describe, expect, it } from 'vitest'
import { fakeModel } from './support/fake-model.ts'
import { throwsKv } from './support/throws.ts'

const ids = [10, 11, 12]

describe('a run', () => {
  it('gives one piece per token, and the same in its result', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill(ids)
    const run = context.generate({ maxTokens: 4 })
    const pieces = []
    for await (const piece of run) pieces.push(piece)
    const result = await run.result
    expect(pieces.map(({ token }) => token)).toEqual([13, 14, 15, 16])
    expect(pieces.map(({ text }) => text).join('')).toBe(result.text)
    expect(result).toMatchObject({
      tokens: [13, 14, 15, 16],
      finishReason: 'length',
      usage: { contextTokens: 3, newTokens: 4 },
    })
    expect(log.fed).toEqual([13, 14, 15]) // the last one waits until something follows
    expect(context.tokens).toBe(7)
    expect(context.report.timings.decodeTokens).toBe(3)
  })

  it('ends at a stop token, which is not text', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill([3698])
    const { tokens, text, finishReason } = await context.generate().result
    expect({ tokens, text, finishReason }).toEqual({
      tokens: [3699, 3700, 3701],
      text: '',
      finishReason: 'stop',
    })
    const other = await model.prefill([3698])
    expect((await other.generate({ stopTokens: [], maxTokens: 5 }).result).tokens).toEqual([
      3699, 3700, 3701, 3702, 3703,
    ])
    expect((await (await model.prefill(ids)).generate({ stopTokens: [14] }).result).tokens).toEqual([13, 14])
  })

  it('cuts at a stop string', async () => {
    const { model } = await fakeModel()
    const free = await (await model.prefill(ids)).generate({ maxTokens: 12 }).result
    const stop = free.text.slice(3, 6)
    const run = (await model.prefill(ids)).generate({ maxTokens: 12, stop })
    let shown = ''
    for await (const { text } of run) shown += text
    const result = await run.result
    expect(result.finishReason).toBe('stop')
    expect(result.text).toBe(free.text.slice(0, free.text.indexOf(stop)))
    expect(shown).toBe(result.text)
    expect(result.tokens.length).toBeLessThan(12)
  })

  it('goes on where the last one ended', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    await context.generate({ maxTokens: 2 }).result
    expect((await context.generate({ maxTokens: 2 }).result).tokens).toEqual([15, 16])
    const fork = context.fork()
    expect((await fork.generate({ maxTokens: 1 }).result).tokens).toEqual([17])
    expect(context.tokens).toBe(7)
  })

  it('is alone on its context', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    const run = context.generate({ maxTokens: 3 })
    await throwsKv('KV_BUSY', /busy with generate/, () => context.generate())
    await throwsKv('KV_BUSY', /fork/, () => context.append([1]))
    await throwsKv('KV_BUSY', /busy/, () => context.fork())
    await run.result
    const other = await model.prefill(ids)
    await Promise.all([context.generate({ maxTokens: 3 }).result, other.generate({ maxTokens: 3 }).result])
  })

  it('is cancelled by a signal, before and during', async () => {
    const { model, log } = await fakeModel()
    await throwsKv(
      'KV_ABORTED',
      /cancelled/,
      async () => (await model.prefill(ids)).generate({ signal: AbortSignal.abort() }).result,
    )
    log.stepMs = 5
    const context = await model.prefill(ids)
    const controller = new AbortController()
    const run = context.generate({ signal: controller.signal })
    await throwsKv('KV_ABORTED', /cancelled/, async () => {
      for await (const { token } of run) if (token === 15) controller.abort()
    })
    await throwsKv('KV_ABORTED', /cancelled/, () => run.result)
  })

  it('ends when the reader leaves the loop', async () => {
    const { model, log } = await fakeModel()
    log.stepMs = 1
    const run = (await model.prefill(ids)).generate({ maxTokens: 1000, stopTokens: [] })
    for await (const { token } of run) if (token === 15) break
    const result = await run.result
    expect(result.finishReason).toBe('abort')
    expect(result.tokens.length).toBeLessThan(10)
  })

  it('leaves the context free after the loop, holding what was read', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill(ids)
    for await (const { token } of context.generate({ maxTokens: 1000, stopTokens: [] }))
      if (token === 15) break
    expect(context.tokens).toBe(6)
    await context.append([100])
    expect(log.fed).toEqual([13, 14, 15, 100])
    expect((await context.generate({ maxTokens: 2, stopTokens: [] }).result).tokens).toEqual([101, 102])
  })

  it('runs no further than its reader', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill(ids)
    for await (const { token } of context.generate({ maxTokens: 1000, stopTokens: [] })) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(log.fed.length).toBeLessThanOrEqual(token - 12)
      if (token === 16) break
    }
    expect(context.tokens).toBe(7)
  })

  it('shows every reader every piece, and ends when the last one leaves', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    const run = context.generate({ maxTokens: 8 })
    const read = async (until: number) => {
      const tokens = []
      for await (const { token } of run) {
        tokens.push(token)
        if (token === until) break
      }
      return tokens
    }
    const [short, long] = await Promise.all([read(14), read(17)])
    expect(short).toEqual([13, 14])
    expect(long).toEqual([13, 14, 15, 16, 17])
    expect((await run.result).finishReason).toBe('abort')
    expect(await read(100)).toEqual([13, 14, 15, 16, 17])
  })

  it('goes on to the end for whoever stops reading and awaits the result', async () => {
    const { model } = await fakeModel()
    const run = (await model.prefill(ids)).generate({ maxTokens: 6 })
    await run[Symbol.asyncIterator]().next()
    expect((await run.result).tokens).toHaveLength(6)
  })

  it("ends at the model's context", async () => {
    const { model } = await fakeModel() // made for 64 tokens
    const context = await model.prefill(ids)
    const { tokens, finishReason } = await context.generate({ maxTokens: 100, stopTokens: [] }).result
    expect({ count: tokens.length, finishReason }).toEqual({ count: 61, finishReason: 'context' })
    expect(context.tokens).toBe(64)
    expect(await context.generate().result).toMatchObject({ tokens: [], text: '', finishReason: 'context' })
    await throwsKv('KV_PROMPT_TOO_LONG', /65 tokens with these 1; .*made for 64/, () => context.append([1]))
    await context.append([1], { allowLongPrompt: true })
    expect(context.tokens).toBe(65)
  })

  it('goes beyond it where the prompt was allowed to', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids, { allowLongPrompt: true })
    expect((await context.generate({ maxTokens: 70, stopTokens: [] }).result).finishReason).toBe('length')
    await context.append(Array.from({ length: 10 }, () => 1))
    await throwsKv('KV_PROMPT_TOO_LONG', /64/, () => context.fork().append([1], { allowLongPrompt: false }))
  })

  it('carries the reason of its signal', async () => {
    const { model, log } = await fakeModel()
    log.stepMs = 5
    const why = new Error('the user closed the tab')
    for (const late of [false, true]) {
      const context = await model.prefill(ids)
      const controller = new AbortController()
      if (late) setTimeout(() => controller.abort(why), 12)
      else controller.abort(why)
      const { result } = context.generate({ maxTokens: 1000, stopTokens: [], signal: controller.signal })
      await expect(result).rejects.toMatchObject({ code: 'KV_ABORTED', cause: why })
      await expect(result).rejects.toThrow(/closed the tab/)
    }
  })

  it('that waits for its reader ends with its context', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    const pieces = context.generate()[Symbol.asyncIterator]()
    await pieces.next()
    const next = context.dispose().then(() => pieces.next())
    await throwsKv('KV_ABORTED', /disposed/, async () => {
      await next
      for (;;) if ((await pieces.next()).done) break
    })
    await throwsKv('KV_DISPOSED', /disposed/, () => context.tokens)
  })

  it('refuses options out of range by name', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    for (const options of [
      { maxTokens: 0 },
      { seed: -1 },
      { stop: '' },
      { stop: [1 as never] },
      { stopTokens: ['x' as never] },
      { topP: 3 },
    ])
      await throwsKv('KV_INVALID_OPTION', new RegExp(Object.keys(options)[0] ?? ''), () =>
        context.generate(options),
      )
  })

  it('without a tokenizer has tokens but no text', async () => {
    const { model } = await fakeModel({ tokenizer: false })
    const context = await model.prefill(ids)
    const { text, tokens } = await context.generate({ maxTokens: 2 }).result
    expect({ text, tokens }).toEqual({ text: '', tokens: [13, 14] })
    await throwsKv('KV_TOKENIZER', /stop strings/i, () => context.generate({ stop: 'x' }).result)
    await throwsKv('KV_TOKENIZER', /no tokenizer.json/, () => context.append('text'))
  })
})

describe('a context', () => {
  it('is ended by dispose while it works, and unusable afterwards', async () => {
    const { model, log } = await fakeModel()
    log.stepMs = 3
    const context = await model.prefill(ids)
    const run = context.generate({ maxTokens: 500, stopTokens: [] })
    const failure = throwsKv('KV_ABORTED', /./, () => run.result)
    await context.dispose()
    await context.dispose()
    await failure
    await throwsKv('KV_DISPOSED', /disposed/, () => context.generate())
    await throwsKv('KV_DISPOSED', /disposed/, () => context.report)
  })

  it('takes what a reply left unsaid before what is appended', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill(ids)
    await context.generate({ maxTokens: 1 }).result
    await context.append([100, 101])
    expect(log.fed).toEqual([13, 100, 101])
    await context.append([])
    expect(context.tokens).toBe(6)
  })

  it('continues a conversation by the template', async () => {
    const { model, log } = await fakeModel()
    const context = await model.prefill([{ role: 'user', content: 'Hi' }])
    await context.generate({ maxTokens: 1 }).result
    await context.append([{ role: 'user', content: 'And?' }])
    const text = model.tokenizer?.decode(log.fed.slice(1), { special: true })
    expect(text).toMatch(/^<\|eot_id\|><\|start_header_id\|>user.*And\?<\|eot_id\|>.*assistant/s)
    const plain = await model.prefill('Hi')
    log.fed.length = 0
    await plain.append([{ role: 'user', content: 'And?' }])
    expect(model.tokenizer?.decode(log.fed, { special: true })).toMatch(/^<\|start_header_id\|>user/)
  })
})
