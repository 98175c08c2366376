import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { exportModel, loadModel } from '../../src/index.ts'
import { randomModel } from '../support/random-model.ts'
import { ggufFile, ggufMetadata, ggufTensors } from './support/gguf-model.ts'

const config = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 40,
  max_position_embeddings: 64,
  rms_norm_eps: 2 ** -17,
}
const ids = [3, 17, 39, 0, 8, 21]
const emptyFolder = () => mkdtempSync(join(tmpdir(), 'qpkv-export-'))

async function logitsOf(path: string): Promise<number[]> {
  await using model = await loadModel(path, { precision: 'f32', weights: 'stored' })
  return Array.from((await model.logits(ids)).logits)
}

describe('exportModel', () => {
  it('writes rows of rotated channels in their order, so that logits are the same', async () => {
    const file = ggufFile(ggufMetadata(config), ggufTensors(config, randomModel(config, 'F32', 5).weights))
    const folder = emptyFolder()
    const { files, weightBytes } = await exportModel(file, folder)
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'generation_config.json', 'model.safetensors'])
    expect(files).toHaveLength(3)
    expect(weightBytes).toBeGreaterThan(0)
    expect(await logitsOf(folder)).toEqual(await logitsOf(file))
  })

  it('multiplies codes out into float32', async () => {
    const tensors = ggufTensors(config, randomModel(config, 'F32', 5).weights).map((tensor) => {
      const [rows = 1, columns = 1] = tensor.shape
      if (tensor.shape.length < 2 || columns % 32 !== 0) return tensor
      // Q8_0: a scale in half precision (0x2400 is 2^-6) and 32 signed codes.
      const block = (at: number) => [0, 0x24, ...Array.from({ length: 32 }, (_, i) => (at * 7 + i * 5) & 255)]
      const blocks = Array.from({ length: (rows * columns) / 32 }, (_, at) => block(at))
      return { ...tensor, type: 8, data: Uint8Array.from(blocks.flat()) }
    })
    const file = ggufFile(ggufMetadata(config), tensors)
    const folder = emptyFolder()
    await exportModel(file, folder)
    expect(await logitsOf(folder)).toEqual(await logitsOf(file))
  })

  it('refuses a folder that holds something, and leaves it as it is', async () => {
    const file = ggufFile(ggufMetadata(config), ggufTensors(config, randomModel(config, 'F32', 5).weights))
    const folder = emptyFolder()
    writeFileSync(join(folder, 'mine.txt'), 'mine')
    await expect(exportModel(file, folder)).rejects.toMatchObject({ code: 'KV_MODEL_FILE' })
    expect(readdirSync(folder)).toEqual(['mine.txt'])
  })
})
