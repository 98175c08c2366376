import {
  compareKept,
  readFloats,
  readJson,
  readSelections,
  runSelection,
  scoreError,
} from '@qpkv/conformance'
import { evaluateScore, selectTokens, tokensToEvict } from '@qpkv/reference'
import { resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { h2o } from '../src/index.ts'

const folder = new URL('goldens/', import.meta.url)
const { cases, input } = readSelections(folder)

test.each(cases)('equals the recorded run $id', (recorded) => {
  const { window_size: recent, max_capacity_prompt: tokens } = recorded.params
  const run = runSelection(recorded, input(recorded.input), {
    budget: { tokens },
    prune: h2o({
      profile: recorded.reference === 'qpruningkv' ? 'qpruningkv' : 'kvcache-factory',
      recent,
      ...(recorded.group && { group: recorded.group }),
    }),
  })
  expect(scoreError(run.scores, recorded.scores)).toBeLessThan(1e-4)
  for (const [h, kept] of run.kept.entries()) {
    const original = {
      kept: recorded.kept[h]!,
      scores: recorded.scores?.[h],
      unique: recorded.unique?.[h] ?? true,
    }
    expect(compareKept(kept, original, recent)).toEqual([])
  }
})

interface Trace {
  hh_size: number
  recent_size: number
  prompt: number
  decode_steps: number
  trace: { event: string; kept: number[][] }[]
}
const { h2o: traces } = readJson(new URL('decode-traces.json', folder)) as { h2o: Trace[] }

const heads = 2
const total = 64
const headDim = 16
const q = readFloats(new URL('decode_q.f32.bin', folder))
const k = readFloats(new URL('decode_k.f32.bin', folder))

/** [heads, tokens, headDim] of the first tokens. */
const prefix = (x: Float32Array, tokens: number) => {
  const part = new Float32Array(heads * tokens * headDim)
  for (let h = 0; h < heads; h++)
    part.set(x.subarray(h * total * headDim, (h * total + tokens) * headDim), h * tokens * headDim)
  return part
}

/** Attention probabilities of one query over the listed positions of one head. */
function probabilities(head: number, query: number, positions: readonly number[]): number[] {
  const row = (x: Float32Array, t: number) =>
    x.subarray((head * total + t) * headDim, (head * total + t + 1) * headDim)
  const logits = positions.map(
    (t) => row(q, query).reduce((sum, x, d) => sum + x * row(k, t)[d]!, 0) / Math.sqrt(headDim),
  )
  const top = Math.max(...logits)
  const weights = logits.map((x) => Math.exp(x - top))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => w / sum)
}

test.each(traces)(
  'the original profile keeps what the original keeps, heavy $hh_size + recent $recent_size',
  (trace) => {
    const { prompt, hh_size: heavy, recent_size: recent } = trace
    const model = { layers: 1, queryHeads: heads, kvHeads: heads, headDim }
    const prune = h2o({ profile: 'original', recent })
    const { plan } = resolve({ budget: { tokens: heavy + recent }, prune }, undefined, model, {
      tokens: prompt,
    })
    const layer = plan.layers[0]!
    expect(layer.evict).toEqual({ by: layer.stages[0]!.score, every: 1, capacity: heavy + recent })
    const wide = evaluateScore(
      layer.stages[0]!.score,
      {
        q: prefix(q, prompt),
        k: prefix(k, prompt),
        queryHeads: heads,
        kvHeads: heads,
        tokens: prompt,
        headDim,
      },
      { heads: 'kv', protectLast: 0 },
    )
    const scores = Float32Array.from(wide.flatMap((row) => [...row]))
    const selected = selectTokens(scores, heads, prompt, layer)
    const live = selected.map((kept, h) => ({
      positions: [...kept],
      scores: [...kept].map((t) => scores[h * prompt + t]!),
    }))
    expect(live.map((head) => head.positions)).toEqual(trace.trace[0]!.kept)
    for (let step = 1; step <= trace.decode_steps; step++) {
      for (const [h, head] of live.entries()) {
        const position = prompt + step - 1
        head.positions.push(position)
        head.scores.push(0)
        for (const [i, p] of probabilities(h, position, head.positions).entries()) head.scores[i]! += p
        const [leaving] = tokensToEvict(head, layer)
        if (leaving === undefined) continue
        head.positions.splice(leaving, 1)
        head.scores.splice(leaving, 1)
      }
      expect(live.map((head) => head.positions)).toEqual(trace.trace[step]!.kept)
    }
  },
)

test('half of the tokens are recent by default', () => {
  const model = { layers: 1, queryHeads: 2, kvHeads: 2, headDim: 16 }
  const { plan } = resolve({ budget: { tokens: 40 }, prune: h2o() }, undefined, model, { tokens: 400 })
  expect(plan.layers[0]!.protect).toEqual({ first: 0, last: 20 })
})
