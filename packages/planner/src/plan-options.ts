import type { Model } from '@qpkv/core'
import { budgetBytes, expected, isPlainObject, recipeProtocols, refuseUnknown } from '@qpkv/spec'
import type { RecipeProtocol, Registry, SpecInput } from '@qpkv/spec'

export interface PlanOptions {
  /** Real bytes of the cache: a number, or a text such as `256MiB`. */
  readonly budget: number | string
  /** Tokens of the longest prompt. */
  readonly context: number
  /** Whether prompts end with their question or are asked later; default: asked later. Both: a spec has to serve both. */
  readonly protocols?: readonly RecipeProtocol[]
  /** A text like those that will be compressed; default: sentences of the bundled model's world. */
  readonly text?: string
  /** Methods that candidates are made of. */
  readonly registry?: Registry
  /** Candidates of your own instead; their budgets are replaced. */
  readonly candidates?: readonly SpecInput[]
  /** Tokens of the prompts that are measured, with the same share of bytes; default: `context`, at most 2,048. */
  readonly measure?: number
  /** Numbers hidden in each of them and asked for; default 8. */
  readonly questions?: number
  /** Prompts that the last specs are judged on, which no round of the search has seen; default 6. */
  readonly judged?: number
  /** Which texts, numbers and places; default 1. */
  readonly seed?: number
  /**
   * How long planning takes; default 10. Two thirds are for the search, the rest for judging what it found. It is looked at before each spec on
   * each prompt; at least one spec is searched and one judged, whatever that takes.
   */
  readonly minutes?: number
  /** A file for what is measured; planning that ended before its time goes on from there. */
  readonly keep?: KeepOptions
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PlanProgress) => void
}

/** Where measurements are kept. */
export interface KeepOptions {
  /** JSON lines; what an earlier run of the same options measured is taken from there. */
  readonly file: string
  /** Versions of what measures, by name: a file of others is another run's. */
  readonly versions?: Readonly<Record<string, string>>
  /** Gives up what another run has measured, instead of refusing its file. */
  readonly replace?: boolean
}

/** What planning is at. */
export interface PlanProgress {
  readonly stage: string
  /** Specs that are measured together. */
  readonly specs: number
}

export type ResolvedPlanOptions = Required<
  Omit<PlanOptions, 'text' | 'candidates' | 'registry' | 'budget' | 'keep'>
> &
  Pick<PlanOptions, 'text' | 'candidates' | 'registry' | 'keep'> & { readonly budget: number }

const names = {
  budget: true, context: true, protocols: true, text: true, registry: true, candidates: true, measure: true, questions: true,
  judged: true, seed: true, minutes: true, keep: true, signal: true, onProgress: true,
} satisfies Record<keyof PlanOptions, true> // prettier-ignore

/** Filled in and checked. @throws KV_INVALID_OPTION */
export function resolvePlanOptions(model: Model, given: PlanOptions): ResolvedPlanOptions {
  if (!isPlainObject(given)) throw expected('an object of options', 'the options of planCompression()', given)
  refuseUnknown(given, Object.keys(names), 'planCompression()')
  const { contextTokens } = model.config
  const budget = budgetBytes(given.budget)
  if (!(budget > 0)) throw expected("bytes such as 1048576 or '256MiB'", 'budget', given.budget)
  const context = whole('context', given.context, 64, contextTokens)
  const protocols = given.protocols ?? ['query-agnostic']
  if (
    !Array.isArray(protocols) ||
    protocols.length === 0 ||
    new Set(protocols).size < protocols.length ||
    !protocols.every((one) => recipeProtocols.includes(one))
  )
    throw expected(`one or both of ${recipeProtocols.join(', ')}`, 'protocols', protocols)
  const minutes = given.minutes ?? 10
  if (!(minutes > 0)) throw expected('a number above 0', 'minutes', minutes)
  if (given.keep !== undefined) checkKeep(given.keep)
  return {
    ...given,
    budget,
    context,
    protocols,
    minutes,
    measure: whole('measure', given.measure ?? Math.min(2048, context), 64, context),
    questions: whole('questions', given.questions ?? 8, 1, 64),
    judged: whole('judged', given.judged ?? 6, 2, 1000),
    seed: whole('seed', given.seed ?? 1, 0, 1_000_000),
    signal: given.signal ?? new AbortController().signal,
    onProgress: given.onProgress ?? (() => undefined),
  }
}

function checkKeep(keep: KeepOptions): void {
  if (!isPlainObject(keep)) throw expected('an object { file }', 'keep', keep)
  refuseUnknown(keep, ['file', 'versions', 'replace'], 'keep')
  const { file, versions, replace } = keep as Partial<KeepOptions>
  if (typeof file !== 'string' || file === '') throw expected('a path', 'keep.file', file)
  if (versions !== undefined && !isPlainObject(versions))
    throw expected('an object', 'keep.versions', versions)
  if (replace !== undefined && typeof replace !== 'boolean')
    throw expected('true or false', 'keep.replace', replace)
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number
  throw expected(`a whole number from ${least} to ${most}`, name, value)
}
