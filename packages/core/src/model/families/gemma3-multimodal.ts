import type { Architecture } from '../architecture.ts'
import { prefixed } from '../tensor-names.ts'
import { gemma3 } from './gemma3.ts'

const { gguf: _, ...text } = gemma3

/** Gemma 3 of 4B and more: the text model beside a vision tower, which is left out. */
export const gemma3Multimodal: Architecture = {
  ...text,
  modelType: 'gemma3',
  className: 'Gemma3ForConditionalGeneration',
  configField: 'text_config',
  tensors: prefixed('language_model.', gemma3.tensors),
  ignored: [
    'boi_token_index',
    'eoi_token_index',
    'image_token_index',
    'mm_tokens_per_image',
    'vision_config',
  ],
  defaults: { ...gemma3.defaults, queryHeads: 8, vocabSize: 262_208 },
}
