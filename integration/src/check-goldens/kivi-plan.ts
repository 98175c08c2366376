import type { NativePartExport } from '../../../packages/core/test/support/probe.ts'
import type { LayerPlan } from '@qpkv/spec'
import { registry } from '@qpkv/methods'
import { resolve } from '@qpkv/spec'

/** One layer with everything kept, under the given KIVI options. */
export function kiviPlan(
  options: { bits: number; group: number; recent: number; residual?: 'kivi' },
  facts: { heads: number; tokens: number; headDim: number },
  precision: 'bf16' | 'f16' | 'f32',
): LayerPlan {
  const model = { layers: 1, queryHeads: facts.heads, kvHeads: facts.heads, headDim: facts.headDim }
  const { plan } = resolve(
    { quantize: { method: 'kivi', ...options } },
    registry,
    model,
    { tokens: facts.tokens },
    { precision },
  )
  const [layer] = plan.layers
  if (!layer) throw new Error('a plan without layers')
  return layer
}

/** All parts of one head put behind one another: [tokens, headDim]. */
export function joinValues(parts: readonly NativePartExport[], field: 'values' | 'codes'): Float32Array {
  const arrays = parts.map((part) => part[field] ?? new Uint8Array())
  const out = new Float32Array(arrays.reduce((total, a) => total + a.length, 0))
  let at = 0
  for (const array of arrays) {
    out.set(array, at)
    at += array.length
  }
  return out
}
