import type { NamedSpec, PreparedRun } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { KvError } from '@qpkv/spec'

/** What depends on a prompt's length: such a spec fails on the samples that it does not suit, and alone. */
const ofThePrompt: ReadonlySet<string> = new Set(['KV_BUDGET_TOO_SMALL', 'KV_MEMORY', 'KV_PROMPT_TOO_LONG'])

/**
 * Resolves every spec for this model before anything is written.
 * @throws KvError KV_INVALID_SPEC and its kin for a spec that no prompt could make right
 */
export function refuseWrongSpecs(model: Model, { sizes }: PreparedRun, specs: readonly NamedSpec[]): void {
  const longest = sizes.reduce((most, { prompt }) => Math.max(most, prompt), 64)
  const tokens = Math.min(longest, model.config.contextTokens)
  for (const { label, spec } of specs) {
    try {
      model.estimate(tokens, [spec])
    } catch (error) {
      if (!KvError.isInstance(error) || ofThePrompt.has(error.code)) continue
      const code = error.code === 'KV_UNSUPPORTED' ? 'KV_INVALID_SPEC' : error.code
      throw new KvError(code, `${label}: ${error.message}`, { hint: error.hint, cause: error })
    }
  }
}
