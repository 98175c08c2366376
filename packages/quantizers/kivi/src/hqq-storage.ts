import { roundF16 } from '@qpkv/reference'
import { KvError, type Block, type RoundTrip } from '@qpkv/spec'
import { quantizeHqq, type HqqVersion } from './hqq-solver.ts'

/*
 * The storage that the paper's released code really runs (HQQ over a whole [heads, tokens, headDim] block,
 * transformers' HQQ cache), for `roundTrip` of profiles. Axis 1 groups contiguous values of the flattened block:
 * channels of one token. Axis 0 groups values a constant stride apart: N / group elements.
 */

/** How a block of the released cache is coded. */
export interface HqqStorage {
  readonly bits: 8 | 4 | 3 | 2 | 1
  readonly axis: 0 | 1
  readonly group: number
  readonly version: HqqVersion
  /** The released code rounds plainly up to hqq 0.2.6; later versions run the solver by default. */
  readonly optimize: boolean
  /** Values beyond this size are stored exactly apart (the simplified KVQuant of that code); left out: none. */
  readonly threshold?: number
  /** Scale, zero and results in f16 as on a GPU; 'f32' for goldens. */
  readonly compute: 'f16' | 'f32'
}

/** Codes in the grouped layout of the original: axis 1 [N / group, group], axis 0 [group, N / group]. */
export interface HqqCoded {
  readonly codes: Uint8Array
  readonly scales: Float32Array
  readonly zeros: Float32Array
  readonly values: Float32Array
  readonly outliers: number
}

/** Codes a flattened block; N must be a multiple of the group. */
export function codeHqq(x: Float32Array, storage: HqqStorage): HqqCoded {
  const { bits, axis, group, version, optimize, threshold, compute } = storage
  const n = x.length
  if (n % group !== 0)
    throw new KvError('KV_CONFLICT', `HQQ storage needs a multiple of ${group} values; the block has ${n}.`)
  const isOutlier = (v: number) => threshold !== undefined && Math.abs(v) > threshold
  const count = n / group
  const at = (g: number, i: number) => (axis === 1 ? g * group + i : i * count + g)
  const groups = Array.from({ length: count }, (_, g) =>
    Float32Array.from({ length: group }, (_, i) => (isOutlier(x[at(g, i)]!) ? 0 : x[at(g, i)]!)),
  )
  const coded = quantizeHqq(groups, bits, version, optimize)
  const round = compute === 'f16' ? roundF16 : Math.fround
  const scales = coded.scales.map(round)
  const zeros = coded.zeros.map(round)
  const codes = new Uint8Array(n)
  const values = new Float32Array(n)
  let outliers = 0
  for (let g = 0; g < count; g++)
    for (let i = 0; i < group; i++) {
      const to = at(g, i)
      codes[to] = coded.codes[g]![i]!
      const exact = isOutlier(x[to]!)
      if (exact) outliers++
      values[to] = exact ? round(x[to]!) : round(round(codes[to] - zeros[g]!) * scales[g]!)
    }
  return { codes, scales, zeros, values, outliers }
}

/**
 * Bytes that the original holds for n values: packed codes, 16-bit scale and zero per
 * group, 4 indices of 64 bits and a value per outlier.
 */
export function hqqBytes(n: number, storage: HqqStorage, outliers = 0): number {
  const { bits, axis, group, compute } = storage
  const rows = axis === 1 ? n / group : group
  const columns = n / rows
  const packedRows = bits === 3 ? Math.ceil(rows / 10) * 4 : Math.ceil((rows * bits) / 8)
  const meta = compute === 'f16' ? 2 : 4
  return packedRows * columns + (n / group) * 2 * meta + outliers * (4 * 8 + meta)
}

/**
 * Codes and reads back a block as that code does. A block that does not fill whole groups is left exact and counted so: the
 * original stops with an error there.
 */
export function roundTripHqq(block: Block, storage: HqqStorage): RoundTrip {
  if (block.values.length % storage.group !== 0)
    return { values: block.values.map(roundF16), bytes: block.values.length * 2 }
  const coded = codeHqq(block.values, storage)
  return { values: coded.values, bytes: hqqBytes(block.values.length, storage, coded.outliers) }
}

/** Bytes before anything is known about outliers: their number is 0 here, so a plan's bytes are a lower bound for a threshold. */
export function hqqPlanBytes(
  shape: Pick<Block, 'heads' | 'tokens' | 'headDim'>,
  storage: HqqStorage,
): number {
  const n = shape.heads * shape.tokens * shape.headDim
  return n % storage.group === 0 ? hqqBytes(n, storage) : n * 2
}

/**
 * Packs codes [rows, columns] as the original's kernels do: the rows are split into as many runs as a word holds
 * codes, and word r of a column takes row r of every run, the first run in the top bits. 3 bit: ten codes per 32-bit
 * word, rows padded with zeros. The byte widths expect rows that fill their words; where they do not, the original
 *
 * - at 1 bit leaves the rows out that are over (it cannot read such a block back),
 * - at 4 and 2 bit hands the rows that are over to the last run. That stops with an error unless every other run
 *   has a single row, which then stands in all words, or none, and nothing is stored. Where it stops, rows are padded
 *   with zeros here.
 */
export function packHqq(codes: Uint8Array, rows: number, bits: 8 | 4 | 3 | 2 | 1): Uint8Array | Int32Array {
  if (bits === 8) return codes.slice()
  const columns = codes.length / rows
  const { perWord, run, words: wordRows } = hqqRuns(rows, bits)
  const top = bits === 3 ? 27 : 8 - bits
  const words = bits === 3 ? new Int32Array(wordRows * columns) : new Uint8Array(wordRows * columns)
  for (let part = 0; part < perWord; part++)
    for (let r = 0; r < wordRows; r++) {
      const row = part * run + (part < perWord - 1 && run === 1 ? 0 : r)
      if (row >= rows) break
      for (let c = 0; c < columns; c++)
        words[r * columns + c]! |= codes[row * columns + c]! << (top - bits * part)
    }
  return words
}

/** Rows of a run, and of packed words, for `rows` rows of codes. */
function hqqRuns(rows: number, bits: 4 | 3 | 2 | 1): { perWord: number; run: number; words: number } {
  const perWord = bits === 3 ? 10 : 8 / bits
  const padded = Math.ceil(rows / perWord)
  const whole = Math.floor(rows / perWord)
  const last = rows - (perWord - 1) * whole
  if (bits === 3) return { perWord, run: padded, words: padded }
  if (bits === 1 || last === whole) return { perWord, run: whole, words: whole }
  if (whole === 1) return { perWord, run: 1, words: last }
  return whole === 0 && last === 1 ? { perWord, run: 0, words: 0 } : { perWord, run: padded, words: padded }
}
