import {
  KvError,
  type CompressionPlan,
  type PromptFacts,
  type SpecInput,
  type StoragePrecision,
} from '@qpkv/spec'
import type { ModelParts } from '../model-parts.ts'
import { resolveAll } from '../resolve-all.ts'
import { requireStored } from './require-stored.ts'
import { readStoredSpec } from './stored-spec.ts'

/**
 * Whether a context could be compressed again by this spec when memory is short, asked before it is needed.
 * @throws KV_UNSUPPORTED, KV_INVALID_SPEC; a text too short for the budget is none: it stays as it is.
 */
export async function requireWhenFull(
  { registry, facts }: ModelParts,
  whenFull: SpecInput | string,
  prompt: PromptFacts,
  element: StoragePrecision,
  plan: CompressionPlan,
): Promise<void> {
  const spec = await readStoredSpec(whenFull)
  try {
    const [resolved] = resolveAll([spec], registry, facts, prompt, element)
    if (resolved) requireStored(resolved, plan, [])
  } catch (cause) {
    if (!KvError.isInstance(cause) || cause.code !== 'KV_BUDGET_TOO_SMALL') throw cause
  }
}
