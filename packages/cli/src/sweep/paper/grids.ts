import { fullCache, KvError, type CompressionSpec } from '@qpkv/spec'
import type { SweepTask } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { NamedGrid } from '../read-grid.ts'
import { paperNotes } from './notes.ts'
import { equalBudgets, SHARES, WIDTHS, type ModelSize, type PaperOptions } from './options.ts'
import { kivi, pair, unpruned, type Storage } from './specs.ts'
import { needleTask, paperTasks, rulerTask } from './tasks.ts'

/** An experiment of the paper: its rows, its tasks, and a line for the help. */
export interface PaperGrid {
  readonly about: string
  /** Flags that change it, beside those that all take. */
  readonly takes: readonly (keyof PaperOptions)[]
  readonly title: (options: PaperOptions, size: ModelSize) => string
  readonly specs: (options: PaperOptions, size: ModelSize, model: Model) => readonly CompressionSpec[]
  /** Needles, and LongBench where its data are there, unless given. */
  readonly tasks?: (options: PaperOptions, model: Model) => SweepTask[]
}

const fp16 = (share: number, { context }: ModelSize) => Math.max(1, Math.round(share * context))

/** Pruners at every width, at budgets that hold these shares of the context at 16 bit. */
const atShares = (
  pruners: readonly string[],
  shares: readonly number[],
  storage: Storage,
  options: PaperOptions,
  size: ModelSize,
  widths: readonly number[] = WIDTHS,
) =>
  pruners.flatMap((name) =>
    shares
      .flatMap((share) => equalBudgets(fp16(share, size), size, options))
      .flatMap((budget) => widths.map((bits) => pair(name, bits, budget, options, storage))),
  )

/** The storages that the paper compares; the released code's are its own. */
function storagesOf(options: PaperOptions): Storage[] {
  if (options.profile === 'own')
    return [kivi(options), (bits) => `kvquant:bits=${bits},recent=${options.recent}`]
  const released =
    (more: string): Storage =>
    (bits) =>
      `${kivi(options)(bits)}${more}`
  // Its kivi groups channels of a token; key axis 0 is what its help calls FlexGen; its kvquant keeps large values apart.
  return [released(''), released(',keyAxis=0'), released(',threshold=6')]
}

/** Experiments by the name that `qpkv sweep` takes. */
export const paperGrids: Readonly<Record<string, PaperGrid>> = {
  'paper-table': {
    about: 'methods x tokens x bits, every width with the same number of tokens',
    takes: ['tokens', 'longbench'],
    title: ({ tokens = [128, 512, 2048] }) => `Method x tokens x bits (${tokens.join(', ')} tokens)`,
    specs: (options) => [
      ...unpruned([kivi(options)]),
      ...['streamingllm', 'h2o', 'snapkv', 'pyramidkv'].flatMap((name) =>
        (options.tokens ?? [128, 512, 2048]).flatMap((tokens) =>
          WIDTHS.map((bits) => pair(name, bits, { tokens }, options, kivi(options))),
        ),
      ),
    ],
  },
  'paper-budget': {
    about: 'score against the memory budget: 1x, 2x, 4x and 8x tokens at 16, 8, 4 and 2 bit',
    takes: ['context', 'equal', 'longbench'],
    title: (_, { context }) => `Score against memory budget (1/128 to 1/4 of ${context} tokens)`,
    specs: (options, size) => [
      ...unpruned([kivi(options)]),
      ...atShares(['snapkv', 'pyramidkv'], SHARES, kivi(options), options, size),
    ],
  },
  'paper-quantizers': {
    about: 'the trade-off under other quantizers',
    takes: ['context', 'equal', 'longbench'],
    title: () => 'Tokens against bits, by quantizer',
    specs: (options, size) => {
      const storages = storagesOf(options)
      const rows = storages.flatMap((storage) =>
        atShares(['snapkv'], [1 / 64, 1 / 16], storage, options, size, WIDTHS.slice(1)),
      )
      const int8 = options.profile === 'own' ? [(): string => 'int8'] : []
      return [
        ...unpruned(storages),
        ...unpruned(int8, [8]),
        ...atShares(['snapkv'], [1 / 64, 1 / 16], kivi(options), options, size, [16]),
        ...rows,
        ...int8.flatMap((storage) => atShares(['snapkv'], [1 / 64, 1 / 16], storage, options, size, [8])),
      ]
    },
  },
  'paper-groups': {
    about: "sizes of groups, and with --profile qpruningkv the released code's axes",
    takes: ['context', 'equal', 'longbench'],
    title: () => 'Group sizes and axes',
    specs: (options, size, model) => {
      const groups = [16, 32, 64, 128].filter((group) => group <= model.facts.headDim)
      const axes =
        options.profile === 'own'
          ? ['']
          : ['01', '00', '11', '10'].map(([k, v]) => `,keyAxis=${k},valueAxis=${v}`)
      const storages = groups.flatMap((group) =>
        axes.map(
          (axis): Storage =>
            (bits) =>
              `${kivi({ ...options, group })(bits)}${axis}`,
        ),
      )
      return [
        ...unpruned(storages),
        ...storages.flatMap((storage) => atShares(['snapkv'], [1 / 16], storage, options, size, [4, 2])),
      ]
    },
  },
  'paper-layers': {
    about: 'which layers get more bits, at equal memory in every layer',
    takes: ['context', 'equal', 'longbench'],
    title: () => 'Bits by layer: a quarter of the layers at 8 bit, the others at 4 or 2',
    specs: (options, size, model) => {
      const { layers } = model.facts
      const quarter = Math.max(1, Math.floor(layers / 4))
      const starts = Array.from({ length: Math.floor(layers / quarter) }, (_, i) => i * quarter)
      return [
        ...unpruned([kivi(options)]),
        ...equalBudgets(fp16(1 / 16, size), size, options).flatMap((budget) =>
          [8, 4, 2].flatMap((bits) => [
            pair('snapkv', bits, budget, options, kivi(options)),
            ...(bits === 8 ? [] : starts).map((from) =>
              pair('snapkv', bits, budget, options, kivi(options), {
                layers: [{ from, to: from + quarter, keyBits: 8, valueBits: 8 }],
              }),
            ),
          ]),
        ),
      ]
    },
  },
  'paper-lengths': {
    about: 'one memory budget at growing lengths',
    takes: ['context', 'equal', 'lengths'],
    title: () => 'Tokens against bits, by length of the text',
    specs: (options, size) => [
      ...unpruned([kivi(options)]),
      ...atShares(['snapkv', 'pyramidkv'], [1 / 64, 1 / 16], kivi(options), options, size),
    ],
    tasks: (options, model) => {
      const most = model.config.contextTokens
      const lengths = [512, 1024, 2048, 4096, 8192, 16_384, 32_768].filter((length) => length <= most)
      return [needleTask({ ...options, lengths: options.lengths ?? lengths.slice(-5) }, model)]
    },
  },
  'paper-models': {
    about: 'the trade-off on several models (--models A,B)',
    takes: ['models', 'context', 'longbench'],
    title: ({ models = [] }) => `Tokens against bits, by model (${models.join(', ')})`,
    specs: (options, size) => [
      ...unpruned([kivi(options)]),
      ...atShares(['snapkv'], [1 / 64, 1 / 16], kivi(options), { ...options, equal: 'nominal' }, size),
    ],
  },
  'paper-ruler': {
    about: "the trade-off on RULER's tasks, both protocols",
    takes: ['context', 'equal', 'lengths', 'ruler', 'assets'],
    title: () => 'Tokens against bits on RULER',
    specs: (options, size) => [
      ...unpruned([kivi(options)]),
      ...atShares(['snapkv', 'pyramidkv'], [1 / 64, 1 / 16], kivi(options), options, size),
    ],
    tasks: (options, model) => {
      const lengths = options.lengths ?? [Math.min(4096, model.config.contextTokens)]
      return (['query-aware', 'query-agnostic'] as const).map((protocol) =>
        rulerTask({ ...options, lengths }, protocol),
      )
    },
  },
}

/** What every grid takes. */
const shared: readonly (keyof PaperOptions)[] = ['essays', 'samples', 'group', 'recent', 'window', 'profile']

/**
 * Refuses flags that would change nothing.
 * @param grid undefined: a grid file, which says all of it itself
 * @param given names of the options that the command line has
 * @throws KvError KV_INVALID_OPTION
 */
export function refuseUnused(name: string, grid: PaperGrid | undefined, given: readonly string[]): void {
  const takes: readonly string[] = grid ? [...grid.takes, ...shared] : []
  const unused = given.find((option) => !takes.includes(option))
  const known = takes.length === 0 ? '' : `It takes ${takes.map((option) => `--${option}`).join(', ')}. `
  if (unused !== undefined)
    throw new KvError('KV_INVALID_OPTION', `--${unused} changes nothing in ${name}.`, {
      hint: `${known}Leave --${unused} out.`,
    })
  if (takes.includes('models') && !given.includes('models'))
    throw new KvError('KV_INVALID_OPTION', `${name} needs the models to compare.`, {
      hint: 'Give --models A,B.',
    })
}

/** The grid of an experiment on a model. */
export function paperGrid(grid: PaperGrid, options: PaperOptions, model: Model): NamedGrid {
  const size = {
    // The bundled model is asked about texts of at most 2,048 tokens.
    context: options.context ?? (options.model === 'reference' ? 2048 : model.config.contextTokens),
    bytesPerToken: fullCache(model.facts, 1).bytes,
  }
  const what = grid.title(options, size)
  return {
    title: options.model === 'reference' ? `${what}: an illustration on a model of 3.7M parameters` : what,
    notes: paperNotes(options),
    grid: {
      models: [...(options.models ?? [options.model])],
      tasks: (grid.tasks ?? paperTasks)(options, model),
      specs: distinct(grid.specs(options, size, model)),
    },
  }
}

/** Without rows that occur twice. */
const distinct = (specs: readonly CompressionSpec[]): CompressionSpec[] => [
  ...new Map(specs.map((spec) => [JSON.stringify(spec), spec])).values(),
]
