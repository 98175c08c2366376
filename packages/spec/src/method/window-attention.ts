import type { PromptFacts } from '../facts.ts'
import { integer, odd, oneOf } from '../options/option.ts'
import type { LayerPlan } from '../plan/layer-plan.ts'
import type { GroupOperation, PoolOperation } from '../plan/score.ts'
import type { LayerContext, Selection } from './pruner.ts'
import type { ScoreInput } from './score-input.ts'

/** Tokens after the last user turn: the template's closing tokens, which are kept but not observed. */
export const closingTokens = (prompt: PromptFacts): number =>
  prompt.tokens - (prompt.userEnd ?? prompt.tokens)

/** What `windowAttention` needs. */
export interface WindowAttentionOptions {
  /** Queries that observe; they are kept themselves. */
  readonly window: number
  /** Odd pooling width along the tokens; 1 for none. */
  readonly kernel: number
  readonly pool: PoolOperation['pool']
  readonly group: GroupOperation['by']
  readonly order: LayerPlan['order']
}

/** The options of `windowAttention`, for a method's definition. */
export const windowAttentionOptions = (defaults: Pick<WindowAttentionOptions, 'window'>) => ({
  window: integer({
    default: defaults.window,
    min: 1,
    max: 4096,
    doc: 'Last queries of the user turn that observe; their tokens are kept.',
  }),
  kernel: odd({ default: 7, min: 1, max: 255, doc: 'Width of the pooling along the tokens; 1 for none.' }),
  pool: oneOf(['max', 'mean'], { default: 'max', doc: 'How scores are pooled.' }),
  group: oneOf(['mean', 'max', 'sum'], {
    default: 'mean',
    doc: 'How the query heads of a KV head are joined.',
  }),
  order: oneOf(['position', 'score'], { default: 'position', doc: 'Storage order of the kept tokens.' }),
})

/**
 * SnapKV's selection (arXiv 2404.14469): attention of the last `window` queries of the user's turn, summed, reduced
 * over the query heads of a stored head, pooled along the tokens. Window and closing tokens are protected.
 */
export function windowAttention(
  options: WindowAttentionOptions,
  at: Pick<LayerContext, 'prompt'>,
): Selection & { readonly score: ScoreInput } {
  const { window, kernel, pool, group, order } = options
  const closing = closingTokens(at.prompt)
  const observed: ScoreInput = {
    op: 'group',
    by: group,
    of: [
      {
        stat: 'attention',
        queries: { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' },
        mask: 'causal',
        reduce: 'sum',
      },
    ],
  }
  return {
    score: kernel > 1 ? { op: 'pool', pool, kernel, padding: 'zeros-count', of: [observed] } : observed,
    protect: { last: window + closing },
    order,
  }
}
