import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { resolveSampling } from '../src/generate/sampling.ts'
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

  it.each([
    [{ do_sample: true, temperature: 'hot' }, { temperature: 1 }],
    [
      { do_sample: true, temperature: -1, top_p: 2, min_p: 7 },
      { temperature: 1, topP: 1, minP: 0 },
    ],
    [
      { do_sample: 'yes', repetition_penalty: 0 },
      { temperature: 0, repetitionPenalty: 1 },
    ],
    [{ do_sample: true, top_k: 'all' }, { topK: 50 }],
    [{ eos_token_id: [7, 'x'] }, { stopTokens: [7] }],
    [{ eos_token_id: -1 }, { stopTokens: [] }],
  ])('with values that cannot be warns, and takes the usual ones: %j', async (values, wanted) => {
    const warned = once(process, 'warning')
    expect(read(values)).toMatchObject(wanted)
    const [warning] = (await warned) as [Error & { code?: string }]
    expect(warning.message).toMatch(/generation_config.json has .*cannot be/)
    expect(warning.code).toBe('KV_CONFIG')
  })

  it.each([
    [{ do_sample: true, top_k: -1 }, { topK: 0 }],
    [{ do_sample: true, top_k: 1e12 }, { topK: 0 }],
    [{ do_sample: true, temperature: 0 }, { temperature: 0 }],
    [
      { do_sample: true, top_p: 0 },
      { topK: 1, topP: 1 },
    ],
    [
      { do_sample: true, temperature: null, top_k: null, top_p: null },
      { temperature: 1, topK: 50, topP: 1 },
    ],
  ])('with odd values gives defaults that a run takes: %j', (values, wanted) => {
    const defaults = read(values)
    expect(defaults).toMatchObject(wanted)
    expect(resolveSampling({}, defaults, 100)).toMatchObject(wanted)
  })

  it('gives defaults that options override', () => {
    const defaults = read({ do_sample: true, temperature: 0.6 })
    expect(resolveSampling({ temperature: 0, topK: 0 }, defaults, 100)).toMatchObject({
      temperature: 0,
      topK: 0,
    })
    expect(resolveSampling({}, defaults, 100)).toMatchObject({ temperature: 0.6, topK: 50 })
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
      resolveSampling(options, read(), 100),
    )
  })
})
