import type { RulerAssets } from '../assets/ruler-assets.ts'
import { KvError } from '@qpkv/spec'
import { NumpyRandomState } from '../python/numpy-random-state.ts'
import { PythonRandom } from '../python/python-random.ts'
import { TASK_DEFINITIONS, type RulerTask } from './task-definitions.ts'

/**
 * Which version of RULER's scripts: `current` (binary search for the size; commit c3f5e3b, 2026-07) or `2024-04`
 * (linear growth; commit 4f6507e, the files of QPruningKV and KVCache-Factory).
 */
export type RulerScripts = 'current' | '2024-04'

/** Counts tokens of a text as the model's tokenizer would, without a begin-of-text token. */
export interface TokenCounter {
  countTokens(text: string): number
}

export interface GenerateOptions {
  readonly scripts: RulerScripts
  /** length in tokens of prompt and generated tokens together, as in 4096 */
  readonly length: number
  /** how many samples */
  readonly samples: number
  readonly tokenizer: TokenCounter
  readonly assets: RulerAssets
  /** 42 unless given, as the originals run it */
  readonly seed?: number
  /** tokens to generate that are set aside; the task's own number unless given */
  readonly newTokens?: number
  /** tokens of the chat template that the reader will add; set aside by the current scripts only */
  readonly templateTokens?: number
  /** qa only: how many questions to skip, for later chunks */
  readonly skipQuestions?: number
}

/** One run of a generator: options with defaults filled in, and the two random streams in use. */
export interface GeneratorContext {
  readonly task: RulerTask
  readonly scripts: RulerScripts
  /** as asked for; decides between the short and the long forms of a task */
  readonly nominalLength: number
  /** tokens that prompt and answer may take */
  readonly budget: number
  readonly samples: number
  readonly newTokens: number
  readonly templateTokens: number
  readonly skipQuestions: number
  readonly seed: number
  readonly random: PythonRandom
  readonly numpy: NumpyRandomState
  readonly assets: RulerAssets
  /** tokens of a text */
  tokens(text: string): number
}

export function createContext(task: RulerTask, options: GenerateOptions): GeneratorContext {
  const seed = options.seed ?? 42
  const templateTokens = options.templateTokens ?? 0
  for (const [name, value] of [['length', options.length] as const, ['samples', options.samples] as const]) {
    if (!Number.isInteger(value) || value < 1) {
      throw new KvError(
        'KV_INVALID_OPTION',
        `Expected an integer of 1 or more for ${name} but received ${value}.`,
      )
    }
  }
  if (templateTokens !== 0 && options.scripts === '2024-04') {
    throw new KvError(
      'KV_INVALID_OPTION',
      'templateTokens must be 0 with scripts "2024-04": those know no such option.',
    )
  }
  return {
    task,
    scripts: options.scripts,
    nominalLength: options.length,
    budget: options.length - templateTokens,
    samples: options.samples,
    newTokens: options.newTokens ?? TASK_DEFINITIONS[task].newTokens,
    templateTokens,
    skipQuestions: options.skipQuestions ?? 0,
    seed,
    random: new PythonRandom(seed),
    numpy: new NumpyRandomState(seed),
    assets: options.assets,
    tokens: (text) => options.tokenizer.countTokens(text),
  }
}

/** A list in the order of a fresh `random.Random(seed)`, as the scripts shuffle needles, words and documents. */
export function freshShuffle<T>(seed: number, items: readonly T[]): T[] {
  const copy = [...items]
  new PythonRandom(seed).shuffle(copy)
  return copy
}
