import type { NativeStats } from './native/addon.ts'

/** What a model's engine has to do now, and has done since it was loaded. Plain JSON. */
export interface ModelStats {
  /** What runs or waits now: prompts on their way, and contexts that take tokens; of both, those that wait for memory. */
  readonly queue: { readonly prompts: number; readonly contexts: number; readonly waitingForMemory: number }
  /** Contexts that the last step advanced together. */
  readonly batch: number
  /** Steps so far: each took one token or a piece of appended text of every context that was ready. */
  readonly steps: number
  /** Tokens so far: of prompts, and those that contexts took afterwards, generated ones included. */
  readonly tokens: { readonly prompt: number; readonly later: number }
  /** Contexts that were compressed in place because others needed their memory (`whenFull`). */
  readonly compressedInPlace: number
  readonly bytes: {
    readonly weights: number
    /** Granted to prompts and contexts: caches, what they may grow by, work and scratch. */
    readonly granted: number
    /** That may be granted. */
    readonly limit: number
  }
}

export const makeStats = (stats: NativeStats, weights: number, compressedInPlace: number): ModelStats => ({
  queue: { prompts: stats.prompts, contexts: stats.streams, waitingForMemory: stats.blocked },
  batch: stats.batch,
  steps: stats.steps,
  tokens: { prompt: Math.floor(stats.promptTokens), later: stats.stepTokens },
  compressedInPlace,
  bytes: { weights, granted: stats.grantedBytes, limit: stats.limitBytes },
})
