import { mean } from '@qpkv/bench-kit'
import type { Model, Tokenizer } from '@qpkv/core'
import type { CompressionSpec } from '@qpkv/spec'
import type { Excerpt } from '../cases/plan-case.ts'
import { askPrompt } from '../measure/ask-prompt.ts'
import { joinOutcomes, type Outcome } from '../measure/outcome.ts'

/** Specs that pass a prompt together. */
const BATCH = 32

/**
 * How far each spec's next-token distribution lies from the full cache's on some excerpts of text.
 * @returns per spec, then per excerpt
 */
export async function textOutcomes(
  model: Model,
  tokenizer: Tokenizer,
  specs: readonly CompressionSpec[],
  excerpts: readonly Excerpt[],
  signal: AbortSignal,
): Promise<Outcome[][]> {
  const outcomes: Outcome[][] = specs.map(() => [])
  const begin = tokenizer.encode('')
  for (const { ids, tokens } of excerpts) {
    const prompt = {
      ids: [...begin, ...ids.subarray(0, tokens)],
      questions: [],
      follows: [...ids.subarray(tokens)],
    }
    for (let from = 0; from < specs.length; from += BATCH) {
      const batch = specs.slice(from, from + BATCH)
      await askPrompt(model, prompt, batch, {
        signal,
        onOutcome: (i, outcome) => {
          if (outcome) outcomes[from + i]?.push(joinOutcomes([outcome]))
        },
      })
    }
  }
  return outcomes
}

export const meanKl = (outcomes: readonly Outcome[]): number => mean(outcomes.map(({ kl }) => kl))
