import { packedFormat, type PackedFormat } from '@qpkv/spec'

type Width = PackedFormat['bits']

/** Keys before RoPE, per channel over a tile's tokens, on levels in [-1, 1]. */
export const keyFormat = (bits: Width, outliers: number, codebook?: readonly number[]): PackedFormat =>
  packedFormat({
    bits,
    scalePer: 'channel',
    group: 128,
    outliers,
    levels: levelsOf(codebook, bits),
  })

/** Values per token over all channels, on levels in [-1, 1]. */
export const valueFormat = (
  bits: Width,
  outliers: number,
  headDim: number,
  codebook?: readonly number[],
): PackedFormat =>
  packedFormat({ bits, scalePer: 'token', group: headDim, outliers, levels: levelsOf(codebook, bits) })

const levelsOf = (codebook: readonly number[] | undefined, bits: number): PackedFormat['levels'] => ({
  codebook: codebook ?? Array.from({ length: 2 ** bits }, (_, i) => (2 * i) / (2 ** bits - 1) - 1),
})
