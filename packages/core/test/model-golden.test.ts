import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '../src/index.ts'
import {
  argmax,
  goldenFloats,
  goldenFolder,
  goldenInts,
  goldenJson,
  largestDifference,
  logProbability,
} from './support/golden.ts'

interface GoldenPrompt {
  name: string
  text: string
  ids: number[]
  tokens: number
  greedy_ids: number[]
  greedy_margins: number[]
  last_positions: number
}
const { prompts } = goldenJson<{ prompts: GoldenPrompt[] }>('model/manifest.json')
const VOCAB = 3712
/** A smaller margin between the two best logits leaves the choice open. */
const MARGIN = 4e-3

describe.each(['f32', 'bf16'] as const)('the reference model in %s', { timeout: 120_000 }, (precision) => {
  let model: Model
  beforeAll(async () => {
    model = await loadModel(modelFolder, { precision })
  })
  afterAll(() => model.dispose())

  it.each(prompts)(
    '$name: tokens, logits, argmax and probabilities',
    async ({ name, text, ids, last_positions: last }) => {
      const given = await model.logits(text)
      expect([...given.ids]).toEqual(ids)
      const logits = given.logits
      const wanted = goldenFloats(`model/${name}.logits.f32`)
      const bound = precision === 'f32' ? 2e-3 : 0.15
      expect(largestDifference(logits.subarray((ids.length - last) * VOCAB), wanted)).toBeLessThan(bound)
      if (precision === 'bf16') return
      const best = goldenInts(`model/${name}.argmax.i32`)
      const probabilities = goldenFloats(`model/${name}.nextlogprob.f32`)
      for (let row = 0; row < ids.length; row++) {
        const mine = argmax(logits, row, VOCAB)
        const theirs = best[row] ?? -1
        const gap = (logits[row * VOCAB + mine] ?? NaN) - (logits[row * VOCAB + theirs] ?? NaN)
        expect(gap, `row ${row}`).toBeLessThan(MARGIN)
        if (row + 1 < ids.length)
          expect(
            Math.abs(logProbability(logits, row, VOCAB, ids[row + 1] ?? -1) - (probabilities[row] ?? NaN)),
          ).toBeLessThan(2e-3)
      }
    },
  )

  it.each(prompts)(
    '$name: 64 greedy tokens',
    async ({ text, greedy_ids: wanted, greedy_margins: margins }) => {
      await using context = await model.prefill(text)
      const { tokens } = await context.generate({ maxTokens: 64, temperature: 0, stopTokens: [] }).result
      const limit = precision === 'f32' ? MARGIN : 0.3
      const open = margins.findIndex((margin) => margin <= limit)
      const sure = open < 0 ? 64 : open
      expect(tokens.slice(0, sure)).toEqual(wanted.slice(0, sure))
      expect(sure).toBeGreaterThan(5)
    },
  )
})

interface ArchitectureGolden {
  input_ids: number[]
  greedy_24: number[]
  argmax: number[]
}

describe.each(['llama-mha-tied', 'qwen2-bias'])('random weights: %s', (name) => {
  const golden = goldenJson<ArchitectureGolden>(`arch/${name}/golden.json`)
  const wanted = goldenFloats(`arch/${name}/logits.f32.bin`)

  it('gives the logits of the float64 forward in the float32 mode', async () => {
    await using model = await loadModel(goldenFolder(`arch/${name}`), { precision: 'f32' })
    const { logits } = await model.logits(golden.input_ids)
    expect(largestDifference(logits, wanted)).toBeLessThan(1e-3)
  })

  it('stays near them in bf16, and chooses the same tokens', async () => {
    await using model = await loadModel(goldenFolder(`arch/${name}`))
    const { logits } = await model.logits(golden.input_ids)
    expect(largestDifference(logits, wanted)).toBeLessThan(0.15)
    const width = logits.length / golden.input_ids.length
    const same = golden.argmax.filter((token, row) => argmax(logits, row, width) === token)
    expect(same.length / golden.argmax.length).toBeGreaterThan(0.98)
  })

  it('goes on with the same greedy tokens', async () => {
    await using model = await loadModel(goldenFolder(`arch/${name}`), { precision: 'f32' })
    await using context = await model.prefill(golden.input_ids)
    const { tokens } = await context.generate({ maxTokens: 24, temperature: 0, stopTokens: [] }).result
    expect(tokens).toEqual(golden.greedy_24)
  })
})
