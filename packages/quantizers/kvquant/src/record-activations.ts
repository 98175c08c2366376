import { defineQuantizer, exactFormat, KvError, type MethodRef } from '@qpkv/spec'
import type { LayerActivations } from './calibrate.ts'

/** Fills while a model prefills with `quantize`; [heads, tokens, headDim] per layer and tensor. */
export interface ActivationRecorder {
  /** Give it as the quantizer of a spec without budget; it stores K and V exactly and notes them. */
  readonly quantize: MethodRef
  /** K after RoPE and V of every layer, once the prefill is done. Throws KV_DATA before. */
  layers(): LayerActivations[]
}

/** Records the activations of one prompt through the contract: no engine hands them out otherwise. */
export function recordActivations(): ActivationRecorder {
  const recorded = new Map<number, Partial<LayerActivations>>()
  const recorder = defineQuantizer({
    name: 'activation-recorder',
    paper: '',
    options: {},
    format: () => ({ key: exactFormat(), value: exactFormat(), simulated: { keyBits: 16, valueBits: 16 } }),
    simulation: {
      used: () => true,
      roundTrip: (_, { layer, tensor, heads, tokens, headDim, values }) => {
        recorded.set(layer, { ...recorded.get(layer), heads, tokens, headDim, [tensor]: values.slice() })
        return { values, bytes: values.length * 2 }
      },
      bytes: (_, { heads, tokens, headDim }) => heads * tokens * headDim * 2,
    },
  })
  return {
    quantize: recorder(),
    layers: () =>
      [...recorded.entries()]
        .sort(([a], [b]) => a - b)
        .map(([layer, activations], i) => {
          if (layer !== i || !activations.key || !activations.value)
            throw new KvError('KV_DATA', `Layer ${i} was not recorded; layers() is for after the prefill.`)
          return activations as LayerActivations
        }),
  }
}

/**
 * Turns keys back to what they were before the rotary embedding, rotate-half form: channel i and
 * channel i + n were rotated by position x inverseFrequencies[i] and scaled by `scale`, n being the number
 * of frequencies; the channels from 2n on were left.
 * `key` [heads, tokens, headDim], positions from 0.
 */
export function undoRope(
  key: Float32Array,
  { tokens, headDim }: Pick<LayerActivations, 'tokens' | 'headDim'>,
  inverseFrequencies: ArrayLike<number>,
  scale = 1,
): Float32Array {
  const half = inverseFrequencies.length
  const before = key.slice()
  for (let row = 0; row < key.length / headDim; row++)
    for (let i = 0; i < half; i++) {
      const angle = (row % tokens) * inverseFrequencies[i]!
      const a = key[row * headDim + i]! / scale
      const b = key[row * headDim + half + i]! / scale
      before[row * headDim + i] = a * Math.cos(angle) + b * Math.sin(angle)
      before[row * headDim + half + i] = b * Math.cos(angle) - a * Math.sin(angle)
    }
  return before
}
