import { readFloats, readJson, readSelections, runSelection } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { l2norm } from '../src/index.ts'

const folder = new URL('goldens/', import.meta.url)
const { cases } = readSelections(folder)
const { inputs } = readJson(new URL('cases.json', folder)) as {
  inputs: Record<string, { queryHeads: number; kvHeads: number; tokens: number; headDim: number }>
}

/** [heads, tokens, headDim] -> the norm of every key, [heads][tokens]. */
const norms = (k: Float32Array, heads: number, tokens: number, headDim: number) =>
  Array.from({ length: heads }, (_, h) =>
    Array.from({ length: tokens }, (_, t) =>
      Math.hypot(...k.subarray((h * tokens + t) * headDim, (h * tokens + t + 1) * headDim)),
    ),
  )

test.each(cases)('keeps and orders the tokens as the recorded run $id', (recorded) => {
  const facts = inputs[recorded.input]!
  const { queryHeads, kvHeads, tokens, headDim } = facts
  const k = readFloats(new URL(`${recorded.input}_k.f32.bin`, folder))
  const q = new Float32Array(queryHeads * tokens * headDim)
  const { kept } = runSelection(
    recorded,
    { ...facts, q, k },
    {
      budget: { tokens: recorded.params.max_capacity_prompt },
      prune: l2norm({ profile: 'kvcache-factory' }),
    },
  )
  const norm = norms(k, kvHeads, tokens, headDim)
  for (const [h, own] of kept.entries()) {
    const original = recorded.kept[h]!
    expect(new Set(own)).toEqual(new Set(original))
    // Norms that agree to seven digits may change places.
    const ofHead = norm[Math.floor((h * kvHeads) / queryHeads)]!
    for (const [i, t] of own.entries()) expect(ofHead[t]).toBeCloseTo(ofHead[original[i]!]!, 4)
  }
})
