import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { goldenFloats, goldenJson, largestDifference } from './support/golden.ts'
import { namedModel } from './support/named-weights.ts'
import { throwsKv } from './support/throws.ts'

interface Case {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}
/** The factors change beyond 32 tokens; the logits are those of 80. */
const { config, tensors, ids } = goldenJson<Case>('families/phi4-mini.json')
const wanted = goldenFloats('families/phi4-mini.f32')
const load = () => loadModel(namedModel(config, tensors), { precision: 'f32', threads: 2 })

describe('a model with longrope', () => {
  it('decodes as a long text from the start where the prefill was told to expect one', async () => {
    await using model = await load()
    const vocab = model.config.vocabSize
    await using context = await model.prefill(ids.slice(0, 20), { expectTokens: 80 })
    for (const [i, id] of ids.entries()) {
      if (i < 20) continue
      await context.append([id])
      const row = wanted.subarray(i * vocab, (i + 1) * vocab)
      expect(largestDifference(await context.logits(), row)).toBeLessThan(1e-4)
    }
  })

  it('keeps the factors of its prompt, and ends where they do', async () => {
    await using model = await load()
    await using short = await model.prefill(ids.slice(0, 20))
    await using long = await model.prefill(ids.slice(0, 20), { expectTokens: 33 })
    expect(largestDifference(await short.logits(), await long.logits())).toBeGreaterThan(1e-3)
    await throwsKv('KV_PROMPT_TOO_LONG', /33 tokens[^]*at most 32[^]*expectTokens: 33/, () =>
      short.append(ids.slice(20, 33)),
    )
    await throwsKv('KV_PROMPT_TOO_LONG', /expectTokens/, () =>
      short.append(ids.slice(20, 33), { allowLongPrompt: true }),
    )
    await long.append(ids.slice(20, 33))
    const run = await short.generate({ maxTokens: 50, temperature: 0, stopTokens: [] }).result
    expect(run.finishReason).toBe('context')
    expect(short.tokens).toBe(32)
  })
})
