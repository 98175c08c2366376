import { describe, expect, it } from 'vitest'
import { settleSampling } from '../src/generate/sampling.ts'
import { readGenerationConfig } from '../src/model/generation-config.ts'
import { throwsKv } from './support/throws.ts'

const read = (values?: Record<string, unknown>) => readGenerationConfig(values, 'generation_config.json')

describe('generation_config.json', () => {
  it('is greedy unless it says to sample', () => {
    expect(read(undefined)).toMatchObject({
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      stopTokens: [],
    })
    expect(read({ temperature: 0.6, top_p: 0.9 }).temperature).toBe(0)
    expect(read({ do_sample: true, temperature: 0.6, top_p: 0.9, eos_token_id: [7, 8] })).toMatchObject({
      temperature: 0.6,
      topK: 50,
      topP: 0.9,
      stopTokens: [7, 8],
    })
  })

  it('with values that cannot be is refused', async () => {
    await throwsKv('KV_CONFIG', /top_p/, () => read({ top_p: 2 }))
    await throwsKv('KV_CONFIG', /temperature/, () => read({ temperature: 'hot' }))
  })

  it('gives defaults that options override', () => {
    const defaults = read({ do_sample: true, temperature: 0.6 })
    expect(settleSampling({ temperature: 0, topK: 0 }, defaults)).toMatchObject({ temperature: 0, topK: 0 })
    expect(settleSampling({}, defaults)).toMatchObject({ temperature: 0.6, topK: 50 })
  })

  it.each([
    { temperature: -1 },
    { topK: 1.5 },
    { topP: 0 },
    { minP: 2 },
    { repetitionPenalty: 0 },
    { temperature: Infinity },
  ])('options out of range are named: %o', async (options) => {
    await throwsKv('KV_INVALID_OPTION', new RegExp(Object.keys(options)[0] ?? ''), () =>
      settleSampling(options, read()),
    )
  })
})
