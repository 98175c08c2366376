import { performance } from 'node:perf_hooks'
import { expected } from '@qpkv/spec'
import { throwIfAborted } from '../aborted.ts'
import { checkCallOptions } from '../call-options.ts'
import { kvError } from '../errors.ts'
import type { ModelParts } from '../model-parts.ts'
import type { Tokenizer } from '../model/tokenizer.ts'
import type { NativeSampling, NativeToken } from '../native/addon.ts'
import { nextMask, type Constraint } from './constraint.ts'
import type { RunControl, RunResult, TokenLogprob } from './run.ts'
import { resolveSampling, type SamplingOptions } from './sampling.ts'
import { StopStrings } from './stop-strings.ts'

/** How a reply is chosen and where it ends; what is left out comes from the model's generation_config.json. */
export interface GenerateOptions extends SamplingOptions {
  /** Tokens at most; default 256. */
  readonly maxTokens?: number
  /** Text that ends the reply and is not part of it. */
  readonly stop?: string | readonly string[]
  /** Token ids that end the reply; default: the model's. An empty list never ends it. */
  readonly stopTokens?: readonly number[]
  /** Same seed, same tokens (for one op table); default: drawn at random. */
  readonly seed?: number
  /** Which tokens may come. A reply that it leaves no token ends in an error: it should allow a stop token in the end. */
  readonly constraint?: Constraint
  readonly signal?: AbortSignal
}

/** The options of one run, checked and filled in. */
export interface GenerateSettings {
  readonly sampling: NativeSampling
  readonly maxTokens: number
  readonly stop: readonly string[]
  readonly stopTokens: ReadonlySet<number>
  readonly seed: number
  readonly constraint: Constraint | undefined
  readonly signal: AbortSignal | undefined
}

export function resolveGenerate(
  options: GenerateOptions,
  { generation: defaults, config: { vocabSize } }: Pick<ModelParts, 'generation' | 'config'>,
): GenerateSettings {
  checkCallOptions(options, 'generate')
  const { maxTokens = 256, stop = [], stopTokens = defaults.stopTokens, signal } = options
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
    throw expected('a whole number of at least 1', 'maxTokens', maxTokens)
  if (!Number.isSafeInteger(seed) || seed < 0) throw expected('a whole number of at least 0', 'seed', seed)
  const stops: readonly unknown[] = typeof stop === 'string' ? [stop] : stop
  if (!Array.isArray(stops) || stops.some((text) => typeof text !== 'string' || text === ''))
    throw expected('a text or a list of texts that are not empty', 'stop', stop)
  if (!Array.isArray(stopTokens) || stopTokens.some((id: unknown) => !Number.isSafeInteger(id)))
    throw expected('a list of token ids', 'stopTokens', stopTokens)
  const constraint: unknown = options.constraint
  if (constraint !== undefined && !isConstraint(constraint))
    throw expected('an object with allowed() and accept()', 'constraint', constraint)
  return {
    sampling: resolveSampling(options, defaults, vocabSize),
    maxTokens,
    stop: stops as readonly string[],
    stopTokens: new Set(stopTokens as readonly number[]),
    seed,
    constraint,
    signal,
  }
}

const isConstraint = (value: unknown): value is Constraint =>
  typeof (value as Partial<Constraint> | null)?.allowed === 'function' &&
  typeof (value as Partial<Constraint> | null)?.accept === 'function'

/** What a run needs of the context that it works on. */
export interface GenerateTarget {
  readonly tokens: number
  /** Tokens at most, those of the prompt included. */
  readonly limit: number
  readonly vocabSize: number
  readonly tokenizer: Tokenizer | undefined
  /** The last tokens before the reply. */
  readonly recentIds: readonly number[]
  seed(seed: number): void
  /** Feeds the token chosen last and chooses the next one, in one step; called only when it is wanted. */
  next(sampling: NativeSampling): Promise<NativeToken>
}

/** Chooses token after token, each when it is wanted; every one is pushed as one piece. */
export async function generate(
  target: GenerateTarget,
  settings: GenerateSettings,
  control: RunControl,
): Promise<RunResult> {
  if (settings.stop.length > 0 && !target.tokenizer)
    throw kvError(
      'KV_TOKENIZER',
      'Stop strings need a tokenizer.json in the model folder.',
      'Use stopTokens.',
    )
  const { signal, constraint } = settings
  const started = performance.now()
  const stream = target.tokenizer?.stream(target.recentIds)
  const stops = new StopStrings(settings.stop)
  const contextTokens = target.tokens
  const tokens: number[] = []
  const logprobs: TokenLogprob[] = []
  let text = ''
  let firstTokenMs = 0
  let decodeMs = 0
  let finishReason: RunResult['finishReason'] | undefined =
    contextTokens < target.limit ? undefined : 'context'
  target.seed(settings.seed)

  while (!finishReason) {
    throwIfAborted(signal)
    if (!(await control.wanted(signal))) {
      finishReason = 'abort'
      break
    }
    const before = performance.now()
    const allowed = constraint && (await nextMask(constraint, target.vocabSize))
    const chosen = await target.next(allowed ? { ...settings.sampling, allowed } : settings.sampling)
    const token = chosen.id
    await constraint?.accept(token)
    tokens.push(token)
    const logprob = readLogprob(chosen)
    if (logprob) logprobs.push(logprob)
    if (tokens.length === 1) firstTokenMs = performance.now() - started
    else decodeMs += performance.now() - before
    const stopped = settings.stopTokens.has(token)
    let out = stopped ? '' : stops.push(stream?.push(token) ?? '')
    // No text, but a stop string may name it.
    if (!stopped && target.tokenizer?.isSpecial(token))
      out += stops.pushHidden(target.tokenizer.tokenOf(token) ?? '')
    if (stopped || stops.done) finishReason = 'stop'
    else if (tokens.length >= settings.maxTokens) finishReason = 'length'
    else if (contextTokens + tokens.length >= target.limit) finishReason = 'context'
    if (finishReason) out += stops.push(stream?.flush() ?? '') + stops.flush()
    text += out
    control.push({ text: out, token, ...(logprob && { logprob }) })
  }
  return {
    text,
    tokens,
    ...(settings.sampling.logprobs !== undefined && { logprobs }),
    finishReason,
    usage: { contextTokens, newTokens: tokens.length },
    timings: {
      firstTokenMs,
      totalMs: performance.now() - started,
      tokensPerSecond: decodeMs > 0 ? ((tokens.length - 1) * 1000) / decodeMs : 0,
    },
  }
}

function readLogprob({ id, logprob, likeliest, logprobs }: NativeToken): TokenLogprob | undefined {
  if (logprob === undefined) return undefined
  return {
    token: id,
    logprob,
    likeliest: Array.from(likeliest ?? [], (token, i) => ({ token, logprob: logprobs?.[i] ?? 0 })),
  }
}
