import { describe, expect, it } from 'vitest'
import { blockTypes } from '../../src/gguf/block-types.ts'
import { loadModel } from '../../src/index.ts'
import { randomModel } from '../support/random-model.ts'
import { ggufFile, ggufMetadata, ggufTensors } from './support/gguf-model.ts'
import { blockValue } from './support/read-blocks.ts'
import type { WrittenTensor } from './support/write-gguf.ts'

const config = {
  model_type: 'llama',
  hidden_size: 256,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 32,
  vocab_size: 40,
  max_position_embeddings: 64,
  rms_norm_eps: 2 ** -17,
}
const ids = [3, 17, 39, 0, 8]

/** Where the half-precision scales of a block stand. */
const scalesAt: Readonly<Record<string, readonly number[]>> = {
  Q4_1: [0, 2],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
}

/** Random bytes, with scales between 2^-9 and 2^-6 of either sign. */
function randomBlock(name: string, bytes: number, random: () => number): Buffer {
  const block = Buffer.from(Array.from({ length: bytes }, () => random() & 255))
  for (const at of scalesAt[name] ?? [0])
    block.writeUInt16LE(((random() & 1) << 15) | ((6 + (random() & 3)) << 10) | (random() & 1023), at)
  return block
}

describe('blocks of every type are read exactly, in matrices and in the embedding', () => {
  const coded = [...blockTypes].filter(([, { values }]) => values > 1)
  it.each(coded.map(([id, type]) => ({ ...type, id })))('$name', async ({ name, id, values, bytes }) => {
    let state = id
    const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
    const { weights } = randomModel(config, 'F32', 3)
    const plain = ggufTensors(config, weights)
    const inBlocks: WrittenTensor[] = []
    const exact: WrittenTensor[] = []
    for (const tensor of plain) {
      const count = tensor.shape.reduce((product, size) => product * size, 1)
      if (tensor.shape.length < 2 || (tensor.shape[1] ?? 0) % values !== 0) {
        inBlocks.push(tensor)
        exact.push(tensor)
        continue
      }
      const blocks = Array.from({ length: count / values }, () => randomBlock(name, bytes, random))
      inBlocks.push({ ...tensor, type: id, data: Buffer.concat(blocks) })
      const read = Float32Array.from({ length: count }, (_, i) =>
        blockValue(name, blocks[Math.floor(i / values)] ?? Buffer.alloc(0), i % values),
      )
      exact.push({ ...tensor, data: new Uint8Array(read.buffer) })
    }
    expect(inBlocks.filter(({ type }) => type === id).length).toBeGreaterThan(6)
    const logits = async (tensors: readonly WrittenTensor[]) => {
      await using model = await loadModel(ggufFile(ggufMetadata(config), tensors), { precision: 'f32' })
      return (await model.logits(ids)).logits
    }
    const wanted = await logits(exact)
    expect(wanted.every(Number.isFinite)).toBe(true)
    expect(await logits(inBlocks)).toEqual(wanted)
  })
})
