import { closeSync, openSync, writeSync } from 'node:fs'

/** A Llama shape for measurements; says nothing about quality. */
export interface Shape {
  readonly layers: number
  readonly hidden: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediate: number
  readonly vocab: number
}

/** 1B parameters: 16 layers, d 2048, 32/8 heads of 64, ffn 8192. */
export const oneBillion: Shape = {
  layers: 16,
  hidden: 2048,
  queryHeads: 32,
  kvHeads: 8,
  headDim: 64,
  intermediate: 8192,
  vocab: 32000,
}

/** Block formats of GGUF: type id, values and bytes a block, `general.file_type`. */
const formats = {
  f32: { id: 0, values: 1, bytes: 4, file: 0 },
  bf16: { id: 30, values: 1, bytes: 2, file: 32 },
  q8_0: { id: 8, values: 32, bytes: 34, file: 7 },
  q4_0: { id: 2, values: 32, bytes: 18, file: 2 },
}
export type RandomFormat = Exclude<keyof typeof formats, 'f32'>

interface Tensor {
  readonly name: string
  readonly dims: readonly number[] // in GGUF's order: the fastest first
  readonly format: keyof typeof formats
}

const ALIGNMENT = 32
const aligned = (n: number) => Math.ceil(n / ALIGNMENT) * ALIGNMENT

/** Writes a GGUF file of a random Llama with a tied head and the smallest vocabulary that readers accept: what counts is its speed. */
export function writeRandomGguf(file: string, shape: Shape, format: RandomFormat): void {
  const tensors = tensorsOf(shape, format)
  const handle = openSync(file, 'w')
  try {
    let at = writeSync(handle, header(shape, format, tensors))
    const fill = (count: number) => {
      at += writeSync(handle, new Uint8Array(count))
    }
    fill(aligned(at) - at)
    const pools = new Map<number, Uint8Array>()
    for (const tensor of tensors) {
      const bytes = bytesOf(tensor)
      if (tensor.format === 'f32') at += writeSync(handle, new Float32Array(tensor.dims[0] ?? 0).fill(1))
      else {
        const columns = tensor.dims[0] ?? 1
        const pool = pools.get(columns) ?? randomBlocks(format, 1 / Math.sqrt(columns))
        pools.set(columns, pool)
        for (let left = bytes; left > 0;) {
          const written = writeSync(handle, pool, 0, Math.min(left, pool.length))
          left -= written
          at += written
        }
      }
      fill(aligned(bytes) - bytes)
    }
  } finally {
    closeSync(handle)
  }
}

function tensorsOf(shape: Shape, format: RandomFormat): Tensor[] {
  const q = shape.queryHeads * shape.headDim
  const kv = shape.kvHeads * shape.headDim
  const matrix = (name: string, columns: number, rows: number): Tensor => ({
    name: `${name}.weight`,
    dims: [columns, rows],
    format,
  })
  const norm = (name: string): Tensor => ({ name: `${name}.weight`, dims: [shape.hidden], format: 'f32' })
  const layers = Array.from({ length: shape.layers }, (_, i) => `blk.${i}.`).flatMap((layer) => [
    norm(`${layer}attn_norm`),
    matrix(`${layer}attn_q`, shape.hidden, q),
    matrix(`${layer}attn_k`, shape.hidden, kv),
    matrix(`${layer}attn_v`, shape.hidden, kv),
    matrix(`${layer}attn_output`, q, shape.hidden),
    norm(`${layer}ffn_norm`),
    matrix(`${layer}ffn_gate`, shape.hidden, shape.intermediate),
    matrix(`${layer}ffn_up`, shape.hidden, shape.intermediate),
    matrix(`${layer}ffn_down`, shape.intermediate, shape.hidden),
  ])
  return [matrix('token_embd', shape.hidden, shape.vocab), ...layers, norm('output_norm')]
}

function bytesOf({ dims, format }: Tensor): number {
  const { values, bytes } = formats[format]
  return (dims.reduce((product, n) => product * n, 1) / values) * bytes
}

/** Bytes of the file before the tensors, without the padding that follows. */
function header(shape: Shape, format: RandomFormat, tensors: readonly Tensor[]): Uint8Array {
  const number = (value: number, bytes: 4 | 8) => {
    const out = Buffer.alloc(bytes)
    out.writeUInt32LE(value)
    return out
  }
  const float = (value: number) => Buffer.from(Float32Array.of(value).buffer)
  const text = (value: string) => Buffer.concat([number(Buffer.byteLength(value), 8), Buffer.from(value)])
  // Types of values in metadata: 4 unsigned, 6 float, 7 truth value, 8 text, 9 list; 5 signed.
  const fields: Buffer[] = []
  const field = (key: string, type: number, ...value: Buffer[]) =>
    fields.push(Buffer.concat([text(key), number(type, 4), ...value]))
  const count = (key: string, value: number) => field(key, 4, number(value, 4))
  const list = (key: string, type: number, values: Buffer[]) =>
    field(key, 9, number(type, 4), number(values.length, 8), ...values)
  field('general.architecture', 8, text('llama'))
  field('general.name', 8, text('random'))
  count('general.file_type', formats[format].file)
  count('general.alignment', ALIGNMENT)
  count('llama.context_length', 131072)
  count('llama.embedding_length', shape.hidden)
  count('llama.block_count', shape.layers)
  count('llama.feed_forward_length', shape.intermediate)
  count('llama.attention.head_count', shape.queryHeads)
  count('llama.attention.head_count_kv', shape.kvHeads)
  count('llama.attention.key_length', shape.headDim)
  count('llama.attention.value_length', shape.headDim)
  count('llama.rope.dimension_count', shape.headDim)
  count('llama.vocab_size', shape.vocab)
  field('llama.rope.freq_base', 6, float(500000))
  field('llama.attention.layer_norm_rms_epsilon', 6, float(1e-5))
  // A SentencePiece vocabulary: three specials, all bytes, and words that say nothing.
  const special = ['<unk>', '<s>', '</s>']
  const byte = (i: number) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`
  const ids = Array.from({ length: shape.vocab }, (_, i) => i)
  field('tokenizer.ggml.model', 8, text('llama'))
  list(
    'tokenizer.ggml.tokens',
    8,
    ids.map((i) => text(special[i] ?? (i < 259 ? byte(i - 3) : `\u2581w${i}`))),
  )
  list(
    'tokenizer.ggml.scores',
    6,
    ids.map((i) => float(-i)),
  )
  list(
    'tokenizer.ggml.token_type',
    5,
    ids.map((i) => number(i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1, 4)),
  )
  count('tokenizer.ggml.bos_token_id', 1)
  count('tokenizer.ggml.eos_token_id', 2)
  count('tokenizer.ggml.unknown_token_id', 0)
  field('tokenizer.ggml.add_bos_token', 7, Buffer.of(1))

  let offset = 0
  const infos = tensors.map((tensor) => {
    const info = Buffer.concat([
      text(tensor.name),
      number(tensor.dims.length, 4),
      ...tensor.dims.map((n) => number(n, 8)),
      number(formats[tensor.format].id, 4),
      bigNumber(offset),
    ])
    offset += aligned(bytesOf(tensor))
    return info
  })
  return Buffer.concat([
    Buffer.from('GGUF'),
    number(3, 4),
    number(tensors.length, 8),
    number(fields.length, 8),
    ...fields,
    ...infos,
  ])
}

function bigNumber(value: number): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt(value))
  return out
}

/** Some megabytes of blocks whose values have about this deviation. */
function randomBlocks(format: RandomFormat, deviation: number): Uint8Array {
  const { bytes } = formats[format]
  const blocks = Math.floor((4 << 20) / bytes)
  const out = Buffer.alloc(blocks * bytes)
  let state = 88172645
  const random = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  if (format === 'bf16') {
    // Uniform values of that deviation, cut to the upper half of their float32.
    const values = Float32Array.from({ length: blocks }, () => (2 * random() - 1) * Math.sqrt(3) * deviation)
    const halves = new Uint16Array(values.buffer)
    for (let i = 0; i < blocks; i++) out.writeUInt16LE(halves[2 * i + 1] ?? 0, 2 * i)
    return out
  }
  for (let i = 0; i < out.length; i++) out[i] = 256 * random()
  // Codes are uniform: their deviation is 74 of 256 and 4.6 of 16 levels.
  const scale = halfBits(deviation / (format === 'q8_0' ? 74 : 4.6))
  for (let at = 0; at < out.length; at += bytes) out.writeUInt16LE(scale, at)
  return out
}

/** float16 of a positive number that is normal there. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0
  return (((bits >>> 23) - 112) << 10) | ((bits >>> 13) & 0x3ff)
}
