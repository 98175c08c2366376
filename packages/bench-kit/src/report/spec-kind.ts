import type { CompressionSpec } from '@qpkv/spec'

/** What a spec changes against the full cache. */
export type SpecKind = 'full' | 'quantize' | 'prune' | 'joint'

/** Which curve of a trade-off a spec belongs to. */
export function specKind({ prune, quantize }: CompressionSpec): SpecKind {
  const [prunes, quantizes] = [prune.method !== 'none', quantize.method !== 'none']
  if (prunes) return quantizes ? 'joint' : 'prune'
  return quantizes ? 'quantize' : 'full'
}

/** Code width that a spec's quantizer was asked for: 16 without one, undefined where it has no option `bits`. */
export function specBits({ quantize }: CompressionSpec): number | undefined {
  if (quantize.method === 'none') return 16
  return typeof quantize['bits'] === 'number' ? quantize['bits'] : undefined
}
