import { TILE_TOKENS, type PackedFormat, type TensorFormat } from '@qpkv/spec'
import { balanceColumns } from './balance.ts'
import { groupMembers } from './group-members.ts'
import { roundMetadata } from './round-metadata.ts'
import { markOutliers, setAside } from './outliers.ts'
import { proximalScale, proximalZeros } from './proximal-zeros.ts'
import { roundHalfEven, roundTo } from './round-float.ts'

/*
 * The reference quantizer: what packing a head's tokens of one segment must give in float32, written for reading. Groups of tokens
 * begin at multiples of `group` from the segment's start (tiles of 128 tokens are whole groups).
 */

/** Tokens of one head and segment, coded and read back. */
export interface Quantized {
  /** [tokens, headDim] */
  readonly codes: Uint8Array
  /** Per channel: [token groups, headDim]. Per token: [channel groups, tokens]. Rounded to the metadata type. */
  readonly scales: Float32Array
  /** Same shape: minima, or integer zero points. */
  readonly offsets: Float32Array
  /** [tokens, headDim]: what reading back gives, outliers exact. */
  readonly values: Float32Array
  /** [tokens, headDim]: 1 where the value is stored exactly beside the codes. */
  readonly outliers: Uint8Array
  /** Second scales of formats that balance: [tokens] with scales per channel, [tiles, headDim] per token. */
  readonly balance?: Float32Array
}

/** Quantizes [tokens, headDim] of one head. Scale and offset are rounded first, codes use the rounded ones. */
export function quantizeReference(
  source: Float32Array,
  tokens: number,
  headDim: number,
  format: PackedFormat,
): Quantized {
  const perChannel = format.scalePer === 'channel'
  const rows = Math.ceil((perChannel ? tokens : headDim) / format.group)
  const columns = perChannel ? headDim : tokens
  const codes = new Uint8Array(tokens * headDim)
  const values = new Float32Array(tokens * headDim)
  const scales = new Float32Array(rows * columns)
  const offsets = new Float32Array(rows * columns)
  const outliers = markOutliers(source, tokens, headDim, format)
  const { x: inside, aside } = setAside(source, outliers, format)
  const balance = format.balance && balanceOf(inside, tokens, headDim, format, format.balance.steps)
  const second = (i: number) =>
    balance === undefined
      ? 1
      : perChannel
        ? balance[Math.floor(i / headDim)]!
        : balance[Math.floor(i / headDim / TILE_TOKENS) * headDim + (i % headDim)]!
  const x = balance ? inside.map((value, i) => value / second(i)) : inside
  const zeros = proximalZeros(x, tokens, headDim, format, aside)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const members = groupMembers(format, row, column, tokens, headDim)
      const inliers = members.filter((i) => aside[i] === 0)
      const g = row * columns + column
      const fit = fitGroup(
        Array.from(inliers.length > 0 ? inliers : members, (i) => x[i]!),
        format,
        zeros?.[g],
      )
      for (const i of members) codes[i] = encode(x[i]!, fit, format)
      const stored = finishGroup(fit, members, x, codes, format)
      scales[g] = stored.scale
      offsets[g] = stored.offset
      for (const i of members)
        values[i] =
          outliers[i] === 1
            ? roundMetadata(format.metadata, source[i]!)
            : f(decode(codes[i]!, stored, format) * second(i))
    }
  return { codes, scales, offsets, values, outliers, ...(balance && { balance }) }
}

/** The second scales of every tile, rounded to the metadata type. */
function balanceOf(
  x: Float32Array,
  tokens: number,
  headDim: number,
  { scalePer, metadata }: PackedFormat,
  steps: number,
): Float32Array {
  const all: number[] = []
  for (let first = 0; first < tokens; first += TILE_TOKENS) {
    const count = Math.min(TILE_TOKENS, tokens - first)
    const tile = x.subarray(first * headDim, (first + count) * headDim)
    // Rows are what has scales.
    const found =
      scalePer === 'token'
        ? balanceColumns(tile, count, headDim, steps)
        : balanceColumns(transposed(tile, count, headDim), headDim, count, steps)
    for (const factor of found) all.push(roundMetadata(metadata, factor))
  }
  return Float32Array.from(all)
}

const transposed = (x: Float32Array, rows: number, columns: number): Float32Array =>
  x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!)

/** What a tensor's storage gives back: [tokens, headDim] of one head. */
export const readBack = (
  x: Float32Array,
  tokens: number,
  headDim: number,
  format: TensorFormat,
): Float32Array =>
  format.bits === 16
    ? x.map((v) => roundTo(format.element, v))
    : quantizeReference(x, tokens, headDim, format).values

interface Fit {
  readonly scale: number
  readonly offset: number
}

const f = Math.fround

/** Scale and offset of one group, rounded to the metadata type. `zero`: the solver's, for the format's solver. */
function fitGroup(group: readonly number[], format: PackedFormat, zero: number | undefined): Fit {
  const { metadata, bits, solver } = format
  if (solver.kind === 'norm') return { scale: f(f(norm(group)) * f(solver.spread)), offset: 0 }
  let low = Math.min(...group)
  let high = Math.max(...group)
  if (format.levels !== 'uniform')
    return {
      scale: roundMetadata(metadata, f(f(high - low) / 2)),
      offset: roundMetadata(metadata, f(f(high + low) / 2)),
    }
  const top = 2 ** bits - 1
  if (solver.kind === 'proximal' && zero !== undefined) {
    const scale = proximalScale(group, format, solver)
    return { scale, offset: roundMetadata(metadata, scale === 0 ? low : f(-f(zero) * scale)) }
  }
  const least = solver.kind === 'min-max' ? f(solver.least ?? 0) : 0
  if (format.zero === 'in-scale') {
    const scale = f(Math.max(f(high - low), least) / top)
    return { scale, offset: scale === 0 ? 0 : Math.min(top, Math.max(0, roundAway(f(-low / scale)))) }
  }
  if (format.zero === 'integer') {
    // The range always holds 0, so that the zero point fits in a byte.
    low = Math.min(low, 0)
    high = Math.max(high, 0)
    const scale = roundMetadata(metadata, f(Math.max(f(high - low), least) / top))
    return { scale, offset: scale === 0 ? 0 : Math.min(top, roundHalfEven(f(-low / scale))) }
  }
  return {
    scale: roundMetadata(metadata, f(Math.max(f(high - low), least) / top)),
    offset: roundMetadata(metadata, low),
  }
}

const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0))

/** Half away from zero. */
const roundAway = (x: number) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5)

/** What is stored of a group whose values have got their codes: the zero in the scale's low bits, or a scale by norms. */
function finishGroup(
  fit: Fit,
  members: readonly number[],
  x: ArrayLike<number>,
  codes: Uint8Array,
  format: PackedFormat,
): Fit {
  if (format.zero === 'in-scale') {
    const word = new Uint32Array(Float32Array.of(fit.scale).buffer)
    word[0] = (word[0]! & ~15) >>> 0
    return { scale: new Float32Array(word.buffer)[0]!, offset: fit.offset }
  }
  if (format.solver.kind !== 'norm' || format.levels === 'uniform') return fit
  const { codebook } = format.levels
  const levels = norm(members.map((i) => codebook[codes[i]!]!))
  const kept = f(levels === 0 ? 0 : norm(members.map((i) => x[i]!)) / levels)
  return {
    scale: roundMetadata(format.metadata, format.solver.keep && fit.scale > 0 ? kept : fit.scale),
    offset: 0,
  }
}

function encode(x: number, { scale, offset }: Fit, format: PackedFormat): number {
  if (scale === 0) return 0
  const top = 2 ** format.bits - 1
  const clamp = (code: number) => Math.min(top, Math.max(0, code))
  if (format.levels !== 'uniform') return nearestLevel(format.levels.codebook, f(f(x - offset) / scale))
  if (format.zero === 'in-scale') return clamp(roundAway(f(f(x * f(1 / scale)) + offset)))
  if (format.zero === 'integer') return clamp(roundHalfEven(f(x / scale)) + offset)
  return clamp(roundHalfEven(f(f(x - offset) / scale)))
}

function decode(code: number, { scale, offset }: Fit, format: PackedFormat): number {
  if (format.levels !== 'uniform') return f(f(f(format.levels.codebook[code]!) * scale) + offset)
  if (format.zero === 'integer' || format.zero === 'in-scale') return f((code - offset) * scale)
  return f(f(code * scale) + offset)
}

/** Index of the nearest level; a tie takes the lower one. */
export function nearestLevel(levels: readonly number[], x: number): number {
  let best = 0
  for (let i = 1; i < levels.length; i++) if (Math.abs(x - levels[i]!) < Math.abs(x - levels[best]!)) best = i
  return best
}

/**
 * Values as a codebook format scales them to [-1, 1], [tokens, headDim]; NaN for those stored exactly and for
 * groups without width. A codebook fitted to these is fitted to what the storage will look up.
 */
export function normalizedInliers(
  x: Float32Array,
  tokens: number,
  headDim: number,
  format: PackedFormat,
): Float32Array {
  const scaled = new Float32Array(x.length).fill(NaN)
  const outliers = markOutliers(x, tokens, headDim, format)
  const { x: coded, aside } = setAside(x, outliers, format)
  const rows = Math.ceil((format.scalePer === 'channel' ? tokens : headDim) / format.group)
  const columns = format.scalePer === 'channel' ? headDim : tokens
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const inliers = groupMembers(format, row, column, tokens, headDim).filter((i) => aside[i] === 0)
      if (inliers.length === 0) continue
      const { scale, offset } = fitGroup(
        Array.from(inliers, (i) => coded[i]!),
        format,
        undefined,
      )
      if (scale !== 0) for (const i of inliers) if (outliers[i] === 0) scaled[i] = (x[i]! - offset) / scale
    }
  return scaled
}
