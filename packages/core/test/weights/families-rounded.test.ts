import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { estimateModel, loadModel, type WeightsMode } from '../../src/index.ts'
import { goldenFloats, goldenFolder, goldenJson } from '../support/golden.ts'
import { namedModel } from '../support/named-weights.ts'

/** Tiny models of every family, experts among them; see families.test.ts. */
interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}

const names = readdirSync(goldenFolder('families'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))

/**
 * Per position the root mean square of the difference, as a share of that of the wanted values; their median. (Where two
 * experts are nearly as good, rounding may choose the other one, and all of that position differs.)
 */
function distance(got: Float32Array, wanted: Float32Array, vocabSize: number): number {
  const square = (values: Float32Array) => values.reduce((sum, x) => sum + x * x, 0)
  const positions = Array.from({ length: wanted.length / vocabSize }, (_, i) => {
    const row = wanted.subarray(i * vocabSize, (i + 1) * vocabSize)
    return Math.sqrt(square(row.map((x, j) => x - (got[i * vocabSize + j] ?? NaN))) / square(row))
  })
  return positions.sort((a, b) => a - b)[positions.length >> 1] ?? NaN
}

describe.each(names)('%s in 8 and 4 bits', (name) => {
  const { config, tensors, ids } = goldenJson<FamilyCase>(`families/${name}.json`)
  const wanted = goldenFloats(`families/${name}.f32`)

  it('has about the logits of the transformers library, closer in 8 bits, and takes the bytes that were estimated', async () => {
    const folder = namedModel(config, tensors)
    const measure = async (weights: WeightsMode) => {
      await using model = await loadModel(folder, { weights, threads: 2 })
      expect((await estimateModel(folder, { weights, tokens: 8 })).weights).toBe(model.weightBytes)
      return {
        far: distance((await model.logits([...ids])).logits, wanted, model.config.vocabSize),
        bytes: model.weightBytes,
      }
    }
    const [stored, int8, int4] = [await measure('stored'), await measure('int8'), await measure('int4')]
    expect(int8.far).toBeLessThan(0.1)
    expect(int8.far).toBeLessThan(int4.far)
    expect(int4.far).toBeLessThan(0.7)
    expect(int8.bytes).toBeLessThan(0.6 * stored.bytes)
    expect(int4.bytes).toBeLessThan(int8.bytes)
  })
})
