import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { architectures } from '../src/model/architectures.ts'
import { readConfig } from '../src/model/config.ts'
import { goldenFloats, goldenFolder, goldenJson, largestDifference } from './support/golden.ts'
import { namedModel } from './support/named-weights.ts'
import { throwsKv } from './support/throws.ts'

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

/** What stands in for a field where it is given. */
const before: Readonly<Record<string, string>> = {
  model_type: 'architectures',
  max_window_layers: 'layer_types',
  no_rope_layer_interval: 'no_rope_layers',
}

/** Fields of many families that change nothing that is computed, or nothing in inference. */
const inert = [
  'architectures', // else model_type is
  'bos_token_id',
  'dtype',
  'initializer_range',
  'pad_token_id',
  'pretraining_tp',
  'transformers_version',
  'use_cache',
]
const isInert = (field: string, ignored: readonly string[]) =>
  inert.includes(field) || ignored.includes(field) || /dropout$|pdrop$/.test(field)

it.each(architectures.map(({ modelType, ignored = [] }) => [modelType, ignored] as const))(
  'every field that the library writes for %s is read, or known to change nothing',
  (modelType, ignored) => {
    const cases = names.map(read).filter(({ config }) => config['model_type'] === modelType)
    const forms = cases
      .flatMap(({ config, old_config: old }) => (old ? [config, old] : [config]))
      .map((form) => ({
        ...form,
        ...('use_sliding_window' in form && { use_sliding_window: true, sliding_window: 16 }),
      }))
    const isRead = (field: string) =>
      forms.some((form) => {
        if (!(field in form)) return false
        try {
          // No field holds this.
          readConfig({ ...form, [before[field] ?? '']: null, [field]: { no: 1 } }, 'x')
          return false
        } catch {
          return true
        }
      })
    const fields = [...new Set(forms.flatMap((form) => Object.keys(form)))]
    expect(fields.filter((field) => !isInert(field, ignored) && !isRead(field))).toEqual([])
  },
)

const active: Readonly<Record<string, unknown>> = {
  attn_logit_softcapping: 50,
  final_logit_softcapping: 30,
  query_pre_attn_scalar: 256,
  embedding_multiplier: 12,
  residual_multiplier: 0.22,
  logits_scaling: 8,
  attention_multiplier: 0.0078,
  attention_bias: true,
  mlp_bias: true,
  num_local_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 768,
  no_rope_layers: [1, 1, 1, 0],
  n_shared_experts: 1,
  use_qk_norm: true,
  rope_local_base_freq: 10_000,
  partial_rotary_factor: 0.5,
}
it.each(Object.entries(active))(
  '%s is computed where the family has it, and refused elsewhere',
  async (field, value) => {
    let refused = 0
    for (const name of names) {
      const { config, old_config: old = config } = read(name)
      if (field in config || field in old || JSON.stringify(config).includes(`"${field}"`)) continue
      const known = architectures.find(({ modelType }) => modelType === config['model_type'])
      if (JSON.stringify(known).includes(`"${field}"`)) continue
      refused++
      const text = config['text_config'] as object | undefined
      const changed = text
        ? { ...config, text_config: { ...text, [field]: value } }
        : { ...config, [field]: value }
      await throwsKv('KV_UNSUPPORTED_MODEL', new RegExp(field), () => readConfig(changed, 'x'))
    }
    expect(refused).toBeGreaterThan(5)
  },
)
