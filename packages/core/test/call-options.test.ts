import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { fakeModel } from './support/fake-model.ts'
import { throwsKv } from './support/throws.ts'

const ids = Array.from({ length: 20 }, (_, i) => i)

describe('an option that a call does not read', () => {
  it.each([
    [{ compresion: 'none+int8' }, /prefill\(\)\.compresion[\s\S]*compression/],
    [{ spec: 'none+int8' }, /prefill\(\)\.spec/],
    [{ budget: { tokens: 3 } }, /prefill\(\)\.budget/],
    [{ onprogress: () => undefined }, /Did you mean onProgress/],
  ])('is refused by prefill: %j', async (options, words) => {
    const { model } = await fakeModel()
    await throwsKv('KV_INVALID_OPTION', words, () => model.prefill(ids, options as never))
    await throwsKv('KV_INVALID_OPTION', words, () => model.logits(ids, options as never))
  })

  it('is refused by generate, append, tokenize and loadModel, with the nearest name', async () => {
    const { model } = await fakeModel()
    const context = await model.prefill(ids)
    for (const [options, name] of [
      [{ max_tokens: 3 }, 'maxTokens'],
      [{ top_p: 0.5 }, 'topP'],
      [{ temprature: 0 }, 'temperature'],
    ] as const)
      await throwsKv('KV_INVALID_OPTION', new RegExp(`Did you mean ${name}`), () =>
        context.generate({ maxTokens: 5, ...options }),
      )
    await throwsKv('KV_INVALID_OPTION', /append\(\)\.maxTokens/, () =>
      context.append([1], { maxTokens: 1 } as never),
    )
    await throwsKv('KV_INVALID_OPTION', /Did you mean special/, () =>
      model.tokenize('a', { specials: false } as never),
    )
    for (const options of [{ thread: 1 }, { nThreads: 1 }])
      await throwsKv('KV_INVALID_OPTION', /Did you mean threads/, () =>
        loadModel('nowhere', options as never),
      )
    await throwsKv('KV_INVALID_OPTION', /loadModel\(\)\.dtype/, () =>
      loadModel('nowhere', { dtype: 'q4' } as never),
    )
    expect(context.tokens).toBe(20)
  })

  it('is refused where the options are no object', async () => {
    const { model } = await fakeModel()
    for (const options of [null, 5, 'none+int8', ['none+int8']])
      await throwsKv('KV_INVALID_OPTION', /the options of prefill\(\)/, () =>
        model.prefill(ids, options as never),
      )
  })

  it('that is undefined counts as left out', async () => {
    const { model } = await fakeModel()
    await expect(model.prefill(ids, { max_tokens: undefined } as never)).resolves.toBeDefined()
  })
})

it('types refuse what calls do not read', async () => {
  const { model } = await fakeModel()
  const context = await model.prefill(ids)
  // @ts-expect-error there is no such option
  expect(() => context.generate({ max_tokens: 3 })).toThrow(/max_tokens/)
  // @ts-expect-error there is no such option
  await throwsKv('KV_INVALID_OPTION', /compression/, () => model.prefill(ids, { compresion: 'none+none' }))
  // @ts-expect-error there is no such option
  await throwsKv('KV_INVALID_OPTION', /threads/, () => loadModel('nowhere', { thread: 2 }))
})
