import { statisticsOf, type CompressionPlan } from '@qpkv/spec'
import { warn, type WarningHandler } from './warnings.ts'

/** Whether tokens were dropped because of what the end of the prompt asked for: a later question may need others. */
export const isQueryAware = (plan: CompressionPlan): boolean =>
  plan.layers.some(({ stages, tokens }) => {
    const fewest = typeof tokens.perHead === 'number' ? tokens.perHead : Math.min(...tokens.perHead)
    return (
      fewest < plan.promptTokens &&
      stages.some(({ score }) =>
        statisticsOf(score).some(
          ({ stat, ...at }) => stat === 'attention' && 'queries' in at && at.queries !== 'all',
        ),
      )
    )
  })

const queryAwareWarning = {
  code: 'KV_QUERY_AWARE',
  message:
    'This context was pruned by a method that looked at the end of its prompt: what a later question needs may be gone. ' +
    'For several questions about one text choose a pruner that needs no question.',
} as const

/** Warns once for a context and all its forks. */
export class QueryAwareWarning {
  private pending: boolean
  private readonly handler: WarningHandler | undefined

  constructor(plan: CompressionPlan, handler: WarningHandler | undefined) {
    this.pending = isQueryAware(plan)
    this.handler = handler
  }

  warn(): void {
    if (!this.pending) return
    this.pending = false
    warn(queryAwareWarning, this.handler)
  }
}
