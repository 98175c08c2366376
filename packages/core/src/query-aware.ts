import type { CompressionPlan } from '@qpkv/spec'

/** Whether tokens were dropped because of what the end of the prompt asked for: a later question may need others. */
const isQueryAware = (plan: CompressionPlan): boolean =>
  plan.layers.some(
    ({ observe, tokens }) =>
      observe.what === 'attention' && observe.queries !== 'all' && tokens.perHead < plan.promptTokens,
  )

const queryAwareWarning = {
  code: 'KV_QUERY_AWARE',
  message:
    'This context was pruned by a method that looked at the end of its prompt: what a later question needs may be gone. ' +
    'For several questions about one text choose a pruner that needs no question.',
} as const

/** Receives warnings instead of process.emitWarning. */
export type WarningHandler = (warning: typeof queryAwareWarning) => void

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
    if (this.handler) this.handler(queryAwareWarning)
    else process.emitWarning(queryAwareWarning.message, { code: queryAwareWarning.code, type: 'KvWarning' })
  }
}
