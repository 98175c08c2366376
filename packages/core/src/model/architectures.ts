// Written by tools/generate-architectures.ts from the files in families/.
import type { Architecture } from './architecture.ts'
import { llama } from './families/llama.ts'
import { mistral } from './families/mistral.ts'
import { qwen2 } from './families/qwen2.ts'
import { qwen3 } from './families/qwen3.ts'

/** The families of models that are known. */
export const architectures: readonly Architecture[] = [llama, mistral, qwen2, qwen3]
