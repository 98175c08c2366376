import { choice, names, path, whole, wholes, type BenchValues } from '@qpkv/bench-kit'
import type { Budget } from '@qpkv/spec'

/** What the paper's grids leave open; flags of `qpkv sweep`. */
export const paperOptions = {
  longbench: path({
    doc: 'Paper grids: the official data.zip or its folder; without it only needles are run.',
  }),
  ruler: path({ doc: 'paper-ruler: official files. Default: samples are made.', flag: { value: '<DIR>' } }),
  assets: path({ doc: 'paper-ruler: texts and words that samples are made of.', flag: { value: '<DIR>' } }),
  essays: path({
    doc: 'Paper grids: essays for the haystack (see qpkv pull needle-essays).',
    flag: { value: '<DIR>' },
  }),
  models: names({ doc: 'paper-models: which to compare.', flag: { value: '<MODEL,...>' } }),
  context: whole({
    min: 256,
    doc: "Paper grids: tokens that shares refer to. Default: the model's context; of the bundled model 2048.",
  }),
  tokens: wholes({
    min: 1,
    doc: 'paper-table: tokens kept per layer and head. Default 128,512,2048.',
  }),
  lengths: wholes({ min: 64, doc: 'paper-lengths, paper-ruler: tokens of the texts.' }),
  samples: whole({
    min: 1,
    doc: 'Paper grids on the bundled model: texts per length; paper-ruler: per task. Default 50.',
  }),
  group: whole({ min: 16, default: 64, doc: 'Paper grids: group size of kivi.' }),
  recent: whole({ min: 0, default: 0, doc: 'Paper grids: newest tokens that kivi keeps in 16 bit.' }),
  window: whole({ min: 1, default: 8, doc: 'Paper grids: observing tokens of snapkv and pyramidkv.' }),
  equal: choice(['nominal', 'bytes', 'both'], {
    default: 'both',
    doc: 'Paper grids: budgets at equal nominal bits, as the paper, at equal real bytes, or both.',
  }),
  profile: choice(['own', 'qpruningkv'], {
    default: 'own',
    doc: 'Paper grids: qpruningkv stores as the released code of the paper does, simulated.',
  }),
}

/** Their values, and the model that was named. */
export type PaperOptions = BenchValues<typeof paperOptions> & { readonly model: string }

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
