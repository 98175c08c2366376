import type { Element, PackedFormat, TensorFormat } from './tensor-format.ts'

/*
 * Bytes of the packed layout. The rule is described in packages/core/native/ops/tile_layout.h, which
 * computes the same numbers natively; a test holds the two together. A head's tokens of one segment
 * lie in tiles of up to 128 tokens; the last tile holds what is left. A tile has a key part and a
 * value part; every part is a multiple of 64 bytes.
 */

/** Tokens of a full tile. */
export const TILE_TOKENS = 128
/** Tokens (for keys) or channels (for values) that lie in the lanes of one vector. */
export const LANES = 16
const REGISTER_BYTES = 64

const elementBytes: Record<Element, number> = { bf16: 2, f16: 2, f32: 4 }
const divideUp = (a: number, b: number) => Math.ceil(a / b)
const alignUp = (a: number, b: number) => divideUp(a, b) * b

/** Bytes of the key part or value part of one tile that holds `tokens` (1..128) tokens of `headDim` channels. */
export function partBytes(
  tensor: 'key' | 'value',
  format: TensorFormat,
  tokens: number,
  headDim: number,
  needs: PartNeeds = {},
): number {
  const blocks = divideUp(tokens, LANES)
  const slots = blocks * LANES
  const lanesDim = alignUp(headDim, LANES)
  const extra =
    tensor === 'key'
      ? (needs.positions ? alignUp(slots * 4, REGISTER_BYTES) : 0) + (needs.mask ? REGISTER_BYTES : 0)
      : 0
  if (format.bits === 16) {
    const channels = tensor === 'key' ? headDim : lanesDim
    return alignUp(slots * channels * elementBytes[format.element], REGISTER_BYTES) + extra
  }
  const vectors = tensor === 'key' ? headDim / 2 : (lanesDim / LANES) * (LANES / 2) // per block of 16 tokens
  const registers = (bits: number) => divideUp(vectors, 16 / bits)
  const perBlock = format.bits === 3 ? registers(2) + registers(1) : registers(format.bits)
  const codes = blocks * perBlock * REGISTER_BYTES
  const scales =
    format.scalePer === 'channel'
      ? divideUp(tokens, format.group) * lanesDim
      : divideUp(headDim, format.group) * slots
  const scaleBytes = alignUp(scales * elementBytes[format.metadata], REGISTER_BYTES)
  const zeroBytes = alignUp(scales * offsetBytes(format), REGISTER_BYTES)
  const balances = format.balance ? (format.scalePer === 'channel' ? slots : lanesDim) : 0
  const balanceBytes = alignUp(balances * elementBytes[format.metadata], REGISTER_BYTES)
  const outliers = outlierCapacity(format.outliers, tokens, headDim)
  const outlierBytes =
    outliers === 0 ? 0 : alignUp(4 + outliers * (format.metadata === 'f32' ? 8 : 4), REGISTER_BYTES)
  return codes + scaleBytes + zeroBytes + balanceBytes + outlierBytes + extra
}

const offsetBytes = ({ zero, metadata }: PackedFormat): number =>
  zero === 'float-minimum' ? elementBytes[metadata] : zero === 'integer' ? 1 : 0

/** Sections that only some plans need; they lie at the end of the key part. */
export interface PartNeeds {
  /** A 32-bit position per slot: keys stored before RoPE, or eviction in decode. */
  readonly positions?: boolean
  /** A valid bit per slot: eviction in decode. */
  readonly mask?: boolean
}

/**
 * Exact values kept beside the codes of one tile: a count, then entries of token, channel (a byte each) and value
 * (in the metadata type, 2-byte pad before f32).
 */
export const outlierCapacity = (fraction: number, tokens: number, headDim: number): number =>
  Math.ceil(fraction * tokens * headDim)
