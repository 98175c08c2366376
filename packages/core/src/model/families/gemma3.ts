import type { Architecture } from '../architecture.ts'
import { qkNormNames } from '../tensor-names.ts'
import { gemma2 } from './gemma2.ts'

/** The text model; the caps of Gemma 2 are gone, windowed layers turn by a theta of their own. */
export const gemma3: Architecture = {
  ...gemma2,
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  tensors: { ...gemma2.tensors, layer: { ...gemma2.tensors.layer, ...qkNormNames } },
  qkNorm: 'head',
  windows: { layers: 'all-but-every', n: 6, field: 'sliding_window_pattern' },
  rope: { theta: 1_000_000, windowed: { thetaField: 'rope_local_base_freq', theta: 10_000 } },
  // What layer_types was made from, as the library writes it.
  ignored: ['_sliding_window_pattern'],
  caps: {
    attention: { field: 'attn_logit_softcapping' },
    logits: { field: 'final_logit_softcapping' },
  },
  gguf: {
    architecture: 'gemma3',
    wholeNorms: true,
    fields: {
      final_logit_softcapping: 'final_logit_softcapping',
      'attention.sliding_window': 'sliding_window',
      'rope.freq_base_swa': 'rope_local_base_freq',
    },
    wideAttentionLayers: 62,
  },
  defaults: { ...gemma2.defaults, contextTokens: 131_072 },
}
