import type { SweepTask } from '@qpkv/bench-kit'
import { profiles } from '@qpkv/bench-longbench'
import type { Model } from '@qpkv/core'
import { checkSpec, parseMethodText, type CompressionSpec, type JsonObject } from '@qpkv/spec'
import type { NamedGrid } from './read-grid.ts'

/** What the paper's grids leave open. */
export interface PaperOptions {
  readonly model: string
  /** The official data.zip or its folder; without it only needles are run. */
  readonly longbench?: string
  /** Folder of essays for the needle's haystack. */
  readonly essays?: string
  /** Tokens of the model's context that shares refer to; the model's own unless given. */
  readonly context?: number
  /** paper-table: tokens kept per layer and head. */
  readonly tokens?: readonly number[]
  /** Budgets at equal nominal bits, as the paper, at equal real bytes, or both. */
  readonly equal: 'nominal' | 'bytes' | 'both'
  /** Texts per length; needles of the bundled world. */
  readonly samples?: number
  readonly group: number
  readonly recent: number
  readonly window: number
}

const WIDTHS = [16, 8, 4, 2]
/** Shares of the context at 16 bit. */
const SHARES = [1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4]

/** Methods x tokens x bits: every width keeps the same number of tokens (the paper's main table). */
export function paperTable(options: PaperOptions, model: Model): NamedGrid {
  const tokens = options.tokens ?? [128, 512, 2048]
  const pruners = ['streamingllm', 'h2o', 'snapkv', 'pyramidkv']
  const specs = pruners.flatMap((name) =>
    tokens.flatMap((count) => WIDTHS.map((bits) => specOf(name, bits, { tokens: count }, options))),
  )
  return named(`Method x tokens x bits (${tokens.join(', ')} tokens)`, specs, options, model)
}

/** Score against the memory budget: 1x, 2x, 4x and 8x tokens at 16, 8, 4 and 2 bit (the paper's budget figures). */
export function paperBudget(options: PaperOptions, model: Model): NamedGrid {
  const context = options.context ?? model.config.contextTokens
  const bytesPerToken = model.facts.layers * model.facts.kvHeads * model.facts.headDim * 2 * 2
  const sizes = SHARES.map((share) => Math.round(share * context))
  const budgets = sizes.flatMap((fp16Tokens): NonNullable<CompressionSpec['budget']>[] => [
    ...(options.equal === 'bytes' ? [] : [{ fp16Tokens }]),
    ...(options.equal === 'nominal' ? [] : [{ bytes: bytesText(fp16Tokens * bytesPerToken) }]),
  ])
  const specs = ['snapkv', 'pyramidkv'].flatMap((name) =>
    budgets.flatMap((budget) => WIDTHS.map((bits) => specOf(name, bits, budget, options))),
  )
  return named(`Score against memory budget (1/128 to 1/4 of ${context} tokens)`, specs, options, model)
}

/** `128KiB` where it is a whole number of them: rows and tables are named by it. */
const bytesText = (bytes: number) => (bytes % 1024 === 0 ? `${bytes / 1024}KiB` : bytes)

function specOf(
  pruner: string,
  bits: number,
  budget: NonNullable<CompressionSpec['budget']>,
  { group, recent, window }: PaperOptions,
): CompressionSpec {
  const observing = pruner === 'snapkv' || pruner === 'pyramidkv' ? `:window=${window}` : ''
  return checkSpec({
    budget,
    prune: parseMethodText(pruner + observing),
    quantize: parseMethodText(bits === 16 ? 'none' : `kivi:bits=${bits},group=${group},recent=${recent}`),
  })
}

function named(what: string, specs: CompressionSpec[], options: PaperOptions, model: Model): NamedGrid {
  const full = { prune: { method: 'none' }, quantize: { method: 'none' } } as CompressionSpec
  const widths = WIDTHS.slice(1).map((bits): CompressionSpec => ({
    ...full,
    quantize: parseMethodText(`kivi:bits=${bits},group=${options.group},recent=${options.recent}`),
  }))
  return {
    title: options.model === 'reference' ? `${what}: an illustration on a model of 3.7M parameters` : what,
    notes: options.model === 'reference' ? [illustration, ...paperNotes] : paperNotes,
    grid: { models: [options.model], tasks: tasksOf(options, model), specs: [full, ...widths, ...specs] },
  }
}

function tasksOf(options: PaperOptions, model: Model): SweepTask[] {
  const needle: JsonObject =
    options.model === 'reference'
      ? { lengths: [512, 1024, 2048], samples: options.samples ?? 50 }
      : {
          form: model.config.vocabSize > 100_000 ? 'llama-3' : 'mistral',
          profile: 'qpruningkv',
          lengths: steps(1000, Math.min(8001, model.config.contextTokens), 100),
          ...(options.essays === undefined ? {} : { essays: options.essays, order: 'listed' }),
        }
  const longbench: JsonObject = {
    profile: 'qpruningkv',
    data: options.longbench ?? '',
    ...promptLimit(options.model, model),
  }
  return [
    { bench: 'needle', options: needle },
    ...(options.longbench === undefined ? [] : [{ bench: 'longbench', options: longbench }]),
  ]
}

/** The released code knows the prompt length of a few models by their names; others get the official rule, their context less 500. */
function promptLimit(name: string, model: Model): JsonObject {
  const known = profiles.qpruningkv.maxPromptTokens
  if (typeof known !== 'string' && known.some(([part]) => name.toLowerCase().includes(part.toLowerCase())))
    return {}
  return { maxPromptTokens: Math.max(2, model.config.contextTokens - 500) }
}

const steps = (from: number, to: number, step: number) =>
  Array.from({ length: Math.max(1, Math.floor((to - from) / step) + 1) }, (_, i) => from + i * step)

const illustration =
  "The bundled model has 3.7 million parameters and knows one small made-up world. The paper's grid runs on it to show the pipeline and the shape of the trade-off; it is no benchmark and reproduces no paper."

/** The paper's own figures, cited beside ours and never drawn on one axis. */
const paperNotes = [
  'The grid is that of "More Tokens, Lower Precision" (arXiv 2412.12706). The paper reports for Llama-3-8B-Instruct with SnapKV on LongBench (16 datasets, flat mean), at 1/128, 1/64, 1/32, 1/16, 1/8 and 1/4 of 8k tokens: 33.3, 35.7, 38.7, 40.3, 40.9, 41.7 at 16 bit; 35.8, 38.8, 40.4, 41.0, 41.7, 41.9 at 8 bit; 37.9, 39.7, 40.5, 41.0, 41.5, 41.2 at 4 bit; 41.9 with the full cache (read off its figure, within 0.2). On the needle at 1/128: 59 at 16 bit, 84 at 8 bit, 91 at 4 bit.',
  'Those numbers count nominal bits: no scales, no 16-bit window, no padding. They belong to another model, other texts and another protocol than a run on the bundled model, so they stand here as cited data and in no picture.',
]
