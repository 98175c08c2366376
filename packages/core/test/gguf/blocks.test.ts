import { describe, expect, it } from 'vitest'
import { blockTypes } from '../../src/gguf/block-types.ts'
import { loadModel, type WeightsMode } from '../../src/index.ts'
import { randomModel } from '../support/random-model.ts'
import { ggufFile, ggufMetadata, ggufTensors } from './support/gguf-model.ts'
import { blockValue } from './support/read-blocks.ts'
import type { WrittenTensor } from './support/write-gguf.ts'

const config = {
  model_type: 'llama',
  hidden_size: 256,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 8,
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

const coded = [...blockTypes].filter(([, { values }]) => values > 1).map(([id, type]) => ({ ...type, id }))

/** A model's matrices in random blocks, each of the type that `typeOf` gives, and the same with their values in float32. */
function randomBlocks(typeOf: (tensor: string) => (typeof coded)[number]) {
  let state = 1
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
  const inBlocks: WrittenTensor[] = []
  const exact: WrittenTensor[] = []
  for (const tensor of ggufTensors(config, randomModel(config, 'F32', 3).weights)) {
    const { id, name, values, bytes } = typeOf(tensor.name)
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
  return { inBlocks, exact }
}

async function load(tensors: readonly WrittenTensor[], weights: WeightsMode = 'auto') {
  await using model = await loadModel(ggufFile(ggufMetadata(config), tensors), { precision: 'f32', weights })
  const { logits } = await model.logits(ids)
  return { logits, weights: model.weights }
}

/** How they lie in memory. */
const kept: Readonly<Record<string, string>> = {
  Q4_0: '4 bit in groups of 32',
  Q4_1: '4 bit in groups of 32, f16 minima',
  Q5_0: '5 bit (in bytes) in groups of 32',
  Q5_1: '5 bit (in bytes) in groups of 32, f16 minima',
  Q8_0: '8 bit in groups of 32',
  Q4_K: '4 bit in groups of 32, f32 scales, f32 minima',
  Q5_K: '5 bit (in bytes) in groups of 32, f32 scales, f32 minima',
  Q6_K: '6 bit (in bytes) in groups of 16, f32 scales',
}

describe('blocks are kept as codes and mean exactly what they say, in matrices and in the embedding', () => {
  it.each(coded)('$name', async (type) => {
    const { inBlocks, exact } = randomBlocks(() => type)
    expect(inBlocks.filter(({ type: id }) => id === type.id).length).toBeGreaterThan(6)
    const wanted = await load(exact)
    expect(wanted.logits.every(Number.isFinite)).toBe(true)
    const got = await load(inBlocks)
    expect(got.logits).toEqual(wanted.logits)
    expect(Object.keys(got.weights.formats)).toEqual([kept[type.name]])
    const stored = await load(inBlocks, 'stored')
    expect(stored.logits).toEqual(wanted.logits)
    expect(Object.keys(stored.weights.formats)).toEqual(['f32'])
  })

  const byName = (name: string) => coded.find((type) => type.name === name) as (typeof coded)[number]
  it.each([
    ['Q4_K', 'Q6_K', '6 bit (in bytes) in groups of 16, f32 scales, f32 minima'],
    ['Q4_0', 'Q8_0', '8 bit in groups of 32'],
    ['Q4_0', 'Q5_1', '5 bit (in bytes) in groups of 32, f32 minima'],
    ['Q5_0', 'Q6_K', '6 bit (in bytes) in groups of 16, f32 scales'],
  ])('%s and %s in one matrix share a format that holds both', async (most, v, format) => {
    const { inBlocks, exact } = randomBlocks((tensor) => byName(tensor.includes('attn_v') ? v : most))
    const got = await load(inBlocks)
    expect(got.logits).toEqual((await load(exact)).logits)
    expect(new Set(Object.keys(got.weights.formats))).toEqual(new Set([kept[most], format]))
  })

  it('of at most as many bits stay as they are when rounded weights are asked for', async () => {
    const { inBlocks } = randomBlocks(() => byName('Q4_0'))
    const asStored = await load(inBlocks)
    for (const mode of ['int8', 'int4'] as const) {
      const { logits, weights } = await load(inBlocks, mode)
      expect(logits).toEqual(asStored.logits)
      expect(weights).toEqual({ ...asStored.weights, mode })
    }
  })
})
