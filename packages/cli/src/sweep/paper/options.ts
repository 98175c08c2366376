import type { Budget } from '@qpkv/spec'

/** What the paper's grids leave open. */
export interface PaperOptions {
  readonly model: string
  /** paper-models: which to compare. */
  readonly models?: readonly string[]
  /** The official data.zip or its folder; without it only needles are run. */
  readonly longbench?: string
  /** Official RULER files, or texts and words that samples are made of; stand-ins without. */
  readonly ruler?: string
  readonly assets?: string
  /** Folder of essays for the needle's haystack. */
  readonly essays?: string
  /** Tokens of the model's context that shares refer to; the model's own unless given. */
  readonly context?: number
  /** paper-table: tokens kept per layer and head. */
  readonly tokens?: readonly number[]
  /** paper-lengths, paper-ruler: tokens of the texts. */
  readonly lengths?: readonly number[]
  /** Budgets at equal nominal bits, as the paper, at equal real bytes, or both. */
  readonly equal: 'nominal' | 'bytes' | 'both'
  /** How quantized caches are stored: as here, or as the released code of the paper does, simulated. */
  readonly profile: 'own' | 'qpruningkv'
  /** Texts per length; needles of the bundled world, and RULER's samples per task. */
  readonly samples?: number
  readonly group: number
  readonly recent: number
  readonly window: number
}

/** Widths of the paper's grids. */
export const WIDTHS = [16, 8, 4, 2] as const

/** Shares of the context, of memory at 16 bit. */
export const SHARES = [1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4] as const

/** Bytes of a token in all layers at 16 bit, and the tokens of the context that shares refer to. */
export interface ModelSize {
  readonly bytesPerToken: number
  readonly context: number
}

/** Budgets that hold so many tokens at 16 bit: nominal bits, real bytes, or both. */
export function equalBudgets(
  fp16Tokens: number,
  { bytesPerToken }: ModelSize,
  { equal }: Pick<PaperOptions, 'equal'>,
): Budget[] {
  return [
    ...(equal === 'bytes' ? [] : [{ fp16Tokens }]),
    ...(equal === 'nominal' ? [] : [{ bytes: fp16Tokens * bytesPerToken }]),
  ]
}
