import type { NativePartExport, ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { registry } from '@qpkv/methods'
import { resolve, type LayerPlan, type MethodRef } from '@qpkv/spec'
import { storeLayer, type LayerTensors } from './store-layer.ts'

/** The plan of one layer that keeps everything, stored by a quantizer in float32. */
export function planOf(
  quantize: MethodRef,
  { heads, tokens, headDim }: Pick<LayerTensors, 'heads' | 'tokens' | 'headDim'>,
  layers: readonly { from: number; to: number; keyBits?: 16; valueBits?: 16 }[] = [],
): LayerPlan {
  const { plan } = resolve(
    { quantize, ...(layers.length > 0 && { layers }) },
    registry,
    { layers: 1, queryHeads: heads, kvHeads: heads, headDim },
    { tokens },
    { precision: 'f32' },
  )
  return plan.layers[0]!
}

/** Keys or values of every head as the engine holds them. */
export async function storedParts(
  engine: ProbeEngine,
  tensors: LayerTensors,
  quantize: MethodRef,
  tensor: 'k' | 'v',
): Promise<NativePartExport[][]> {
  const cache = await storeLayer(engine, tensors, planOf(quantize, tensors))
  try {
    return Array.from({ length: tensors.heads }, (_, head) => {
      const { key, value } = cache.export(head)
      return tensor === 'k' ? key : value
    })
  } finally {
    cache.dispose()
  }
}

/** A field of all parts of one head behind one another. */
export const joined = (
  parts: readonly NativePartExport[],
  field: 'values' | 'stored' | 'codes' | 'scales' | 'offsets' | 'balance',
): number[] => parts.flatMap((part) => Array.from(part[field] ?? []))

/** Mean squared difference of [heads][..] from one array. */
export function meanSquares(ours: readonly (readonly number[])[], theirs: ArrayLike<number>): number {
  const all = ours.flat()
  return all.reduce((sum, x, i) => sum + (x - theirs[i]!) ** 2, 0) / all.length
}

/** A sentence where a number is off by more than the relative bound. */
export function offBy(what: string, ours: number, theirs: number, relative: number, absolute = 0) {
  return Math.abs(ours - theirs) <= relative * Math.abs(theirs) + absolute
    ? undefined
    : `${what} is ${ours}, theirs ${theirs}`
}
