import { readJson, readSelections } from '@qpkv/conformance'
import { selectTokens, tokensToEvict } from '@qpkv/reference'
import { resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { streamingllm } from '../src/index.ts'

const folder = new URL('goldens/', import.meta.url)
const { cases } = readSelections(folder)
const model = { layers: 1, queryHeads: 2, kvHeads: 2, headDim: 64 }
const planOf = (tokens: number, prompt: number, prune: ReturnType<typeof streamingllm>) =>
  resolve({ budget: { tokens }, prune }, undefined, model, { tokens: prompt }).plan.layers[0]!

test.each(cases)('equals the recorded run $id', (recorded) => {
  const { window_size: window, max_capacity_prompt: tokens } = recorded.params
  // LongBench's rule is capacity - 4 newest tokens, the needle's always 32.
  const prune =
    tokens - window === 4
      ? streamingllm({ profile: 'qpruningkv' })
      : streamingllm({ profile: 'qpruningkv-needle' })
  const layer = planOf(tokens, recorded.tokens, prune)
  for (const [h, kept] of selectTokens(undefined, recorded.kept.length, recorded.tokens, layer).entries())
    expect([...kept]).toEqual([...recorded.kept[h]!])
})

interface Trace {
  start_size: number
  recent_size: number
  prompt: number
  trace: { event: string; kept: number[] }[]
}
const { streaming } = readJson(new URL('decode-traces.json', folder)) as { streaming: Trace[] }

test.each(streaming)(
  'the original profile rolls as the original, $start_size + $recent_size, prompt $prompt',
  (trace) => {
    const prune = streamingllm({ profile: 'original', sinks: trace.start_size })
    const layer = planOf(trace.start_size + trace.recent_size, trace.prompt, prune)
    expect(layer.evict).toBe('fifo')
    expect(layer.positions).toBe('cache')
    expect(layer.keys.rope).toBe('before')
    const positions = [...selectTokens(undefined, 1, trace.prompt, layer)[0]!]
    expect(positions).toEqual(trace.trace[0]!.kept)
    for (const [step, { kept }] of trace.trace.entries()) {
      if (step === 0) continue
      positions.push(trace.prompt + step - 1)
      const [leaving] = tokensToEvict({ positions, scores: [] }, layer)
      if (leaving !== undefined) positions.splice(leaving, 1)
      expect(positions).toEqual(kept)
    }
  },
)

test('a rolling cache is larger than the prompt until it is full', () => {
  const layer = planOf(64, 40, streamingllm({ decode: 'roll' }))
  expect(layer.tokens).toMatchObject({ perHead: 40, capacity: 64 })
})

test('a budget of the sinks alone is too small', () => {
  expect(() => planOf(4, 40, streamingllm())).toThrow(
    expect.objectContaining({ code: 'KV_BUDGET_TOO_SMALL' }),
  )
})
