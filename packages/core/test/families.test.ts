import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { architectures } from '../src/model/architectures.ts'
import { goldenFloats, goldenFolder, goldenJson, largestDifference } from './support/golden.ts'
import { namedModel } from './support/named-weights.ts'

/** A tiny model with the logits of the transformers library; tools/goldens/make_family_logits.py made them. */
interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  /** The same as files before version 5 of the library have it. */
  readonly old_config?: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}

const names = readdirSync(goldenFolder('families'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
const read = (name: string) => goldenJson<FamilyCase>(`families/${name}.json`)
const BOUND = 1e-4

describe.each(names)('%s in float32', (name) => {
  const { config, old_config: old, tensors, ids } = read(name)
  const wanted = goldenFloats(`families/${name}.f32`)

  it('has the logits of the transformers library at every position', async () => {
    for (const form of old ? [config, old] : [config]) {
      await using model = await loadModel(namedModel(form, tensors), { precision: 'f32', threads: 2 })
      const { logits } = await model.logits([...ids])
      expect(largestDifference(logits, wanted)).toBeLessThan(BOUND)
    }
  })

  it('decodes over its cache as it reads in one pass', async () => {
    await using model = await loadModel(namedModel(config, tensors), { precision: 'f32', threads: 2 })
    const vocab = model.config.vocabSize
    await using context = await model.prefill(ids.slice(0, 50))
    const rope = model.config.ropes[0]?.long
    const { logits } = await model.logits(
      ids.slice(0, rope && ids.length > rope.beyond ? rope.beyond : ids.length),
    )
    const end = logits.length / vocab
    for (let i = 50; i < end; i++) {
      await context.append([ids[i] ?? 0])
      expect(
        largestDifference(await context.logits(), logits.subarray(i * vocab, (i + 1) * vocab)),
      ).toBeLessThan(BOUND)
    }
  })
})

it('every family has a case', () => {
  const tested = new Set(names.map((name) => read(name).config['model_type']))
  expect(architectures.map(({ modelType }) => modelType).filter((type) => !tested.has(type))).toEqual([])
})
