import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A model folder whose matrices have been through GGUF's blocks and back: what a file of that kind would compute. */

const BLOCK = 32
interface Entry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/**
 * Writes a copy of a folder with one model.safetensors: matrices of the layers as Q4_0, embedding and head as Q8_0, all else as
 * it is, in float32.
 */
export function roundLikeGguf(from: string, to: string): void {
  cpSync(from, to, { recursive: true })
  const bytes = readFileSync(join(from, 'model.safetensors'))
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, Entry>
  const data = bytes.subarray(8 + length)
  const parts: Float32Array[] = []
  const entries: Record<string, unknown> = {}
  let at = 0
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      entries[name] = entry
      continue
    }
    const values = readValues(data.subarray(...entry.data_offsets), entry.dtype)
    if (entry.shape.length === 2) roundBlocks(values, /embed_tokens|lm_head/.test(name) ? q8_0 : q4_0)
    entries[name] = { dtype: 'F32', shape: entry.shape, data_offsets: [at, at + values.byteLength] }
    at += values.byteLength
    parts.push(values)
  }
  const text = Buffer.from(JSON.stringify(entries))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  const content = parts.map((values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength))
  writeFileSync(join(to, 'model.safetensors'), Buffer.concat([size, text, ...content]))
}

function readValues(data: Buffer, dtype: string): Float32Array {
  if (dtype === 'F32')
    return Float32Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i))
  if (dtype !== 'BF16') throw new Error(`Expected BF16 or F32 but received ${dtype}.`)
  const bits = Uint32Array.from({ length: data.length / 2 }, (_, i) => data.readUInt16LE(2 * i) << 16)
  return new Float32Array(bits.buffer)
}

/** Rows are whole blocks, so blocks never share two rows. */
function roundBlocks(values: Float32Array, round: (block: Float32Array) => void): void {
  for (let i = 0; i < values.length; i += BLOCK) round(values.subarray(i, i + BLOCK))
}

/** The value of largest size, with its sign, becomes code -8; codes are rounded half up. */
export function q4_0(block: Float32Array): void {
  const extreme = block.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0)
  const scale = Math.fround(extreme / -8)
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
  const stored = toHalf(scale)
  for (const [i, x] of block.entries())
    block[i] = (Math.min(15, Math.trunc(Math.fround(x * inverse + 8.5))) - 8) * stored
}

export function q8_0(block: Float32Array): void {
  const most = block.reduce((size, x) => Math.max(size, Math.abs(x)), 0)
  const scale = Math.fround(most / 127)
  const stored = toHalf(scale)
  for (const [i, x] of block.entries()) block[i] = (scale === 0 ? 0 : Math.round(x / scale)) * stored
}

/** The nearest half-precision number, ties to even. */
function toHalf(x: number): number {
  if (x === 0) return x
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(x))))
  const step = 2 ** (exponent - 10)
  const steps = x / step
  const floor = Math.floor(steps)
  const rest = steps - floor
  return step * (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor)
}
