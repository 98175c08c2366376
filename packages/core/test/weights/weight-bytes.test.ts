import { describe, expect, it } from 'vitest'
import { loadModel, type WeightsMode } from '../../src/index.ts'
import { describeModel } from '../../src/model/describe-model.ts'
import { readModelFolder } from '../../src/model/model-source.ts'
import { packedMatrices } from '../../src/weights/packed-matrices.ts'
import { weightBytes } from '../../src/weights/weight-bytes.ts'
import { randomModel } from '../support/random-model.ts'

const base = {
  model_type: 'llama',
  hidden_size: 66,
  intermediate_size: 98,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 10,
  vocab_size: 130,
  max_position_embeddings: 256,
  rms_norm_eps: 2 ** -17,
}

describe('bytes of weights are counted as they are taken, padding included', () => {
  const families = [
    base,
    { ...base, model_type: 'qwen2' },
    { ...base, model_type: 'qwen3', tie_word_embeddings: true },
  ]
  const modes: readonly WeightsMode[] = ['auto', 'stored', 'int8', 'int4']
  it.each(families.flatMap((config) => modes.map((mode) => ({ config, mode }))))(
    'of $config.model_type, $mode',
    async ({ config, mode }) => {
      for (const element of ['BF16', 'F32'] as const)
        for (const precision of ['bf16', 'bf16-fast'] as const) {
          const { folder } = randomModel(config, element, 9)
          const source = await readModelFolder(folder)
          const matrices = packedMatrices(source.tensors, precision, mode)
          const counted = weightBytes(describeModel(source, precision, matrices), matrices)
          await using model = await loadModel(folder, { weights: mode, precision, threads: 1 })
          expect(model.weightBytes).toBe(counted)
        }
    },
  )

  it('grow with the bits', async () => {
    const { folder } = randomModel(base, 'BF16', 9)
    const bytes: number[] = []
    for (const mode of ['stored', 'int8', 'int4'] as const) {
      await using model = await loadModel(folder, { weights: mode, threads: 1 })
      bytes.push(model.weightBytes)
    }
    expect(bytes).toEqual([...bytes].sort((a, b) => b - a))
  })
})
