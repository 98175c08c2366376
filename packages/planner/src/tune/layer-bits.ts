import { checkSpec, type CompressionSpec, type LayerOverride, type MethodRef } from '@qpkv/spec'

export type Width = 8 | 4 | 3 | 2

/** Widths of one layer's keys and values. */
export interface LayerBits {
  readonly keyBits: Width | 16
  readonly valueBits: Width | 16
}

/** The spec that stores every layer at its widths; neighbours with equal ones share an override. */
export function specOfBits(quantize: MethodRef, bits: readonly LayerBits[]): CompressionSpec {
  const layers: LayerOverride[] = []
  for (const [layer, { keyBits, valueBits }] of bits.entries()) {
    const last = layers.at(-1)
    if (last?.keyBits === keyBits && last.valueBits === valueBits)
      layers[layers.length - 1] = { ...last, to: layer + 1 }
    else layers.push({ from: layer, to: layer + 1, keyBits, valueBits })
  }
  return checkSpec({ quantize, layers })
}
