// Written by tools/generate-architectures.ts from the files in families/.
import type { Architecture } from './architecture.ts'
import { gemma2 } from './families/gemma2.ts'
import { gemma3Multimodal } from './families/gemma3-multimodal.ts'
import { gemma3 } from './families/gemma3.ts'
import { granite } from './families/granite.ts'
import { llama } from './families/llama.ts'
import { mistral } from './families/mistral.ts'
import { mixtral } from './families/mixtral.ts'
import { olmo2 } from './families/olmo2.ts'
import { phi3 } from './families/phi3.ts'
import { qwen2 } from './families/qwen2.ts'
import { qwen3Moe } from './families/qwen3-moe.ts'
import { qwen3 } from './families/qwen3.ts'
import { smollm3 } from './families/smollm3.ts'

/** The families of models that are known. */
export const architectures: readonly Architecture[] = [
  gemma2,
  gemma3Multimodal,
  gemma3,
  granite,
  llama,
  mistral,
  mixtral,
  olmo2,
  phi3,
  qwen2,
  qwen3Moe,
  qwen3,
  smollm3,
]
