import type { PromptFacts } from './facts.ts'
import { exactFormat, packedFormat } from './formats.ts'
import type { AttentionObservation, LayerPlan, Smoothing } from './layer-plan.ts'
import type { FormatContext, LayerStorage, Selection, SelectionContext } from './method.ts'
import type { Bits, PackedFormat, Solver, TensorFormat } from './tensor-format.ts'

/** Tokens after the last user turn: the template's closing tokens, which are kept but not observed. */
export const closingTokens = (prompt: PromptFacts): number =>
  prompt.tokens - (prompt.userEnd ?? prompt.tokens)

export interface WindowAttentionOptions {
  /** Queries that observe; they are kept themselves. */
  readonly window: number
  /** Odd pooling width along the tokens; 1 for none. */
  readonly kernel: number
  readonly pool: Smoothing['pool']
  readonly group: AttentionObservation['group']
  readonly order: LayerPlan['order']
}

/**
 * SnapKV's selection (arXiv 2404.14469): attention of the last `window` queries of the user's turn, summed, reduced over the query heads
 * of a stored head, pooled along the tokens. Window and closing tokens are protected.
 */
export function windowAttention(
  options: WindowAttentionOptions,
  at: Pick<SelectionContext, 'prompt'>,
): Selection {
  const { window, kernel, pool, group, order } = options
  const closing = closingTokens(at.prompt)
  return {
    observe: {
      what: 'attention',
      queries: { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' },
      mask: 'causal',
      reduce: 'sum',
      group,
    },
    ...(kernel > 1 && { smooth: { pool, kernel, padding: 'zeros-count' } as const }),
    protect: { first: 0, last: window + closing },
    order,
  }
}

export interface KiviOptions {
  readonly bits: PackedFormat['bits']
  /** Tokens (keys) and channels (values, at most the head dimension) that share a scale. */
  readonly group: number
  readonly recent: number
  readonly residual: LayerPlan['residual']
  readonly solver: Solver
}

/** KIVI's storage (arXiv 2402.02750): keys per channel over tokens, values per token over channels, the newest tokens exact. */
export function kiviStorage(options: KiviOptions, at: FormatContext): LayerStorage {
  const { group, recent, residual, solver } = options
  const packed = (bits: Bits, scalePer: 'channel' | 'token', size: number): TensorFormat =>
    bits === 16 ? exactFormat() : packedFormat({ bits, scalePer, group: size, solver })
  return {
    key: packed(at.keyBits ?? options.bits, 'channel', group),
    value: packed(at.valueBits ?? options.bits, 'token', Math.min(group, at.model.headDim)),
    recent,
    residual,
  }
}

const solvers = {
  'min-max': { kind: 'min-max' },
  'hqq-0.2.2': { kind: 'hqq', version: '0.2.2' },
  'hqq-0.2.8': { kind: 'hqq', version: '0.2.8' },
} as const satisfies Record<string, Solver>
export type SolverName = keyof typeof solvers

/** The names that quantizers offer for their option `solver`. */
export const solverNames = Object.keys(solvers) as SolverName[]
export const solverOf = (name: SolverName): Solver => solvers[name]
