import { performance } from 'node:perf_hooks'
import { requireRecipe, type SpecInput } from '@qpkv/spec'
import { abortedBy, endedBy, throwIfAborted } from './aborted.ts'
import { fromNative, kvError } from './errors.ts'
import { generate, resolveGenerate, type GenerateOptions } from './generate/generate.ts'
import { Run } from './generate/run.ts'
import type { AppendOptions } from './append-options.ts'
import type { ContextParts } from './context-parts.ts'
import type { NativeSampling, NativeToken } from './native/addon.ts'
import { tokenizeAppended, type Appended, type ContextEnd } from './prompt/tokenize-appended.ts'
import { requireRoom } from './prompt/context-limit.ts'
import { QueryAwareWarning } from './query-aware.ts'
import { checkCallOptions } from './call-options.ts'
import { firstTokens, keepsAll, type ForkOptions } from './first-tokens.ts'
import { makeRoomForTokens } from './memory/make-room.ts'
import { makeReport, type ContextReport } from './report.ts'
import { heldPositions } from './held-positions.ts'
import { saveContext, type SaveOptions } from './saved/save-context.ts'
import {
  compressAppended,
  readAppended,
  recompressContext,
  type RecompressOptions,
} from './recompress/recompress-context.ts'

/** State that a fork or an opened context starts from. */
interface ContextState {
  readonly warning?: QueryAwareWarning
  readonly recentIds: readonly number[]
  readonly pending: number | undefined
}

/** As many last ids as the detokenizer looks at. */
export const RECENT_IDS = 8

/** A prompt's compressed cache and what came after it. One thing at a time: a second use meanwhile is KV_BUSY. */
export class Context {
  private parts: ContextParts
  private readonly warning: QueryAwareWarning
  private recentIds: number[]
  /** Chosen, but not yet fed to the model: the next step feeds it. */
  private pending: number | undefined
  private work: { readonly name: string; readonly done: Promise<unknown> } | undefined
  private disposing: Promise<void> | undefined
  private readonly ending = new AbortController()
  private readonly decode = { ms: 0, tokens: 0 }

  constructor(parts: ContextParts, state?: ContextState) {
    this.parts = parts
    this.warning = state?.warning ?? new QueryAwareWarning(parts.plan, parts.onWarning)
    this.recentIds = [...(state?.recentIds ?? parts.prompt.ids.slice(-RECENT_IDS))]
    this.pending = state?.pending
    this.used()
  }

  /** Tokens so far: prompt, appended and generated. */
  get tokens(): number {
    this.requireAlive()
    return this.currentTokens()
  }

  /** Bytes handed out to the cache now. */
  get bytes(): number {
    this.requireAlive()
    const { planned, grown } = this.parts.native.bytes()
    return planned + grown
  }

  get report(): ContextReport {
    this.requireAlive()
    const { spec, plan, kept, simulatedBytes, prefillMs, model, native } = this.parts
    return makeReport({
      spec: spec.spec,
      plan,
      model: model.facts,
      tokens: this.tokens,
      kept,
      held: native.kept().map((heads) => [...heads]),
      bytes: native.bytes(),
      simulatedBytes,
      spentNominal: spec.spentNominal,
      spentBytes: spec.spentBytes,
      windowedLayers: spec.windowedLayers,
      engine: {
        table: model.table,
        threads: model.threads,
        precision: model.precision,
        weights: model.weights,
      },
      canary: spec.canary,
      recompressed: this.parts.recompressed,
      prefillMs,
      promptPasses: spec.promptPasses,
      decode: this.decode,
    })
  }

  /**
   * Positions in the text of the tokens that a stored head of a layer holds, ascending.
   * @throws KV_INVALID_OPTION for a layer or head that the cache does not have, KV_BUSY.
   */
  positions(layer: number, head: number): Int32Array {
    this.requireIdle()
    return heldPositions(this.parts, layer, head)
  }

  /** Logits of the next token, [vocab] in float32. */
  async logits(): Promise<Float32Array> {
    return this.exclusive('logits', async () => {
      await this.feed()
      return this.parts.native.logits()
    })
  }

  /**
   * Starts a reply at once; it ends at the model's context at the latest.
   * @throws KV_INVALID_OPTION, KV_BUSY, KV_DISPOSED; the run rejects with KV_ABORTED and KV_NUMERIC.
   */
  generate(options: GenerateOptions = {}): Run {
    const { native, model, limit } = this.parts
    const settings = resolveGenerate(options, model)
    this.requireIdle()
    // A run that waits for its reader ends too when the context is disposed.
    const ends = this.ending.signal
    const signal = settings.signal ? AbortSignal.any([settings.signal, ends]) : ends
    return new Run((control) =>
      this.exclusive('generate', async () => {
        const target = {
          tokens: this.currentTokens(),
          limit,
          vocabSize: model.config.vocabSize,
          tokenizer: model.tokenizer,
          recentIds: this.recentIds,
          seed: (seed: number) => {
            native.seed(seed)
          },
          next: (sampling: NativeSampling) => this.next(sampling, signal),
        }
        return this.expecting(Math.min(settings.maxTokens, limit - target.tokens), () =>
          generate(target, { ...settings, signal }, control),
        )
      }),
    )
  }

  /**
   * Adds text, token ids, or messages that continue the conversation. They follow at the true positions, stored by the context's
   * plan and never pruned, unless `compress` says how. Cancelled in the middle, the beginning stays in the cache, as it is then.
   * @throws KV_BUSY, KV_ABORTED, KV_TOKENIZER, KV_RECIPE, KV_PROMPT_TOO_LONG beyond the model's context; warns KV_QUERY_AWARE once where the pruner had another question in mind.
   */
  async append(input: Appended, options: AppendOptions = {}): Promise<void> {
    checkCallOptions(options, 'append')
    const { recipe } = this.parts.spec
    if (recipe) requireRecipe(recipe, { protocol: 'query-agnostic' })
    await this.exclusive('append', async () => {
      const { ids, dropsPending } = await tokenizeAppended(input, this.end(), options)
      const pending = dropsPending ? undefined : this.pending
      requireRoom(this.parts, ids.length, this.parts.native.tokens + (pending === undefined ? 0 : 1), options)
      this.warning.warn()
      if (ids.length === 0) return
      throwIfAborted(options.signal)
      const fed = pending === undefined ? ids : Int32Array.of(pending, ...ids)
      const { native } = this.parts
      const before = native.tokens
      const plan = options.compress && (await readAppended(this.parts, options.compress, fed))
      try {
        if (plan) native.hold(true)
        await this.expecting(fed.length, () => this.appendNative(fed, options.signal))
      } finally {
        if (plan && !this.disposing) native.hold(false)
        // A cancelled append may have fed the beginning; what is in the cache stays there.
        const count = native.tokens - before
        if (count > 0) this.pending = undefined
        this.remember(fed.subarray(0, count))
      }
      if (plan) this.parts = await compressAppended(this.parts, plan, options.signal)
    })
  }

  /**
   * Adds token ids and gives the logits after each of them, [ids, vocab] in float32: what the model expects of a text that is known.
   * @throws what append throws
   */
  async appendLogits(
    ids: readonly number[] | Int32Array,
    options: Omit<AppendOptions, 'compress'> = {},
  ): Promise<Float32Array> {
    checkCallOptions(options, 'appendLogits')
    return this.exclusive('appendLogits', async () => {
      const { ids: fed } = await tokenizeAppended(ids, this.end(), options)
      requireRoom(this.parts, fed.length, this.currentTokens(), options)
      await this.feed(options.signal)
      if (fed.length === 0) return new Float32Array(0)
      throwIfAborted(options.signal)
      try {
        return await this.parts.native.appendAll(fed)
      } catch (cause) {
        throw endedBy(cause, options.signal)
      } finally {
        this.remember(fed)
      }
    })
  }

  /**
   * Writes the context to one file, which model.open() reads: its packed cache as it lies in memory, its tokens, plan and
   * spec, and what sampling remembers. What stood at the path stays until the new file is whole.
   * @throws KV_BUSY, KV_ABORTED, KV_DATA where the file cannot be written.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    checkCallOptions(options, 'save')
    await this.exclusive('save', () => saveContext(this.parts, this.pending, path, options))
  }

  /**
   * Compresses the cache again, in place, from what it holds: by the spec as if the whole text so far had been its prompt. What
   * was dropped stays away, and what was coded is coded again from its codes; later tokens are stored by the new plan. The
   * report says what it came to. Pruners that score keys and values can do it, and h2o where the context evicts by its scores.
   * @throws KV_UNSUPPORTED for specs that need the prompt again, KV_MEMORY, KV_BUSY, KV_ABORTED, and whatever resolving the
   * spec throws; the context is as it was then.
   */
  async recompress(compression: SpecInput | string, options: RecompressOptions = {}): Promise<void> {
    checkCallOptions(options, 'recompress')
    await this.compressAgain(compression, options)
  }

  /** Compresses it by `whenFull`, once; false: it is busy, or has done so. For whoever needs its memory. */
  async yieldMemory(): Promise<boolean> {
    const { whenFull, yielded } = this.parts
    if (this.work || this.disposing || whenFull === undefined || yielded) return false
    // Who asks has no memory to wait for.
    await this.compressAgain(whenFull, { mayWait: false })
    this.parts = { ...this.parts, yielded: true }
    return true
  }

  /** Whether every token so far is stored exactly, so that `fork({ tokens })` can end earlier. */
  get keepsAll(): boolean {
    this.requireAlive()
    return keepsAll(this.parts)
  }

  /**
   * A second context with the same content, or with the text's first `tokens` tokens only; full tiles are shared.
   * @throws KV_BUSY, KV_INVALID_OPTION, KV_UNSUPPORTED for fewer tokens of a cache that does not keep all of them.
   */
  fork(options: ForkOptions = {}): Context {
    checkCallOptions(options, 'fork')
    this.requireIdle()
    const { parts, warning, recentIds, pending } = this
    if (options.tokens === undefined || options.tokens === this.currentTokens())
      return new Context({ ...parts, native: parts.native.fork() }, { warning, recentIds, pending })
    try {
      const { parts: first, ...state } = firstTokens(parts, options.tokens, RECENT_IDS)
      return new Context(first, { warning, ...state })
    } catch (cause) {
      throw fromNative(cause)
    }
  }

  /** Ends what is running and frees the cache. Safe to call twice. */
  dispose(): Promise<void> {
    this.disposing ??= this.disposeNow()
    return this.disposing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private currentTokens(): number {
    return this.parts.native.tokens + (this.pending === undefined ? 0 : 1)
  }

  private async disposeNow(): Promise<void> {
    this.parts.model.yielding.remove(this)
    this.ending.abort(kvError('KV_DISPOSED', 'The context was disposed while it was working.'))
    if (this.work) {
      this.parts.native.abort()
      await this.work.done.catch(() => undefined)
    }
    this.parts.native.dispose()
  }

  private end(): ContextEnd {
    const { model, prompt } = this.parts
    return { model, chat: prompt.chat, fed: this.recentIds, pending: this.pending }
  }

  /** Feeds the token chosen last, so that the logits are those after it; with `sampling` the same step chooses the next one. */
  private async feed(signal?: AbortSignal, sampling?: NativeSampling): Promise<NativeToken | undefined> {
    if (this.pending === undefined) return undefined
    const ids = Int32Array.of(this.pending)
    const before = performance.now()
    const next = await this.appendNative(ids, signal, sampling)
    this.decode.ms += performance.now() - before
    this.decode.tokens += 1
    this.remember(ids)
    this.pending = undefined
    return next
  }

  /** Chooses the next token; it stays pending. */
  private async next(sampling: NativeSampling, signal: AbortSignal): Promise<NativeToken> {
    const chosen = (await this.feed(signal, sampling)) ?? (await this.sampleNative(sampling))
    if (chosen.id < 0)
      throw kvError('KV_INVALID_OPTION', 'The constraint allows no token, not even one that ends the reply.')
    this.pending = chosen.id
    return chosen
  }

  private async sampleNative(sampling: NativeSampling): Promise<NativeToken> {
    try {
      return await this.parts.native.sample(sampling)
    } catch (cause) {
      throw fromNative(cause)
    }
  }

  private async appendNative(
    ids: Int32Array,
    signal: AbortSignal | undefined,
    sampling?: NativeSampling,
  ): Promise<NativeToken | undefined> {
    throwIfAborted(signal)
    if (this.disposing) throw abortedBy(this.ending.signal)
    const { native } = this.parts
    const stop = () => {
      native.abort()
    }
    signal?.addEventListener('abort', stop, { once: true })
    try {
      return await native.append(ids, sampling)
    } catch (cause) {
      throw endedBy(cause, signal)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Tells the engine how many tokens come, so that it grants their memory at once. */
  private async expecting<T>(tokens: number, work: () => Promise<T>): Promise<T> {
    const { native } = this.parts
    await makeRoomForTokens(this.parts, tokens)
    native.expect(Math.max(0, tokens))
    try {
      return await work()
    } finally {
      native.expect(0)
    }
  }

  private remember(ids: Int32Array): void {
    this.recentIds = [...this.recentIds, ...ids.slice(-RECENT_IDS)].slice(-RECENT_IDS)
  }

  private async exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.requireIdle()
    const done = work()
    this.work = { name, done }
    try {
      return await done
    } catch (cause) {
      throw fromNative(cause)
    } finally {
      this.work = undefined
      this.used()
    }
  }

  private compressAgain(spec: SpecInput | string, how: RecompressOptions & { readonly mayWait?: boolean }) {
    return this.exclusive('recompress', async () => {
      this.parts = await recompressContext(this.parts, spec, how)
    })
  }

  private used(): void {
    const { model, whenFull, yielded } = this.parts
    if (whenFull !== undefined && !yielded && !this.disposing) model.yielding.used(this)
  }

  private requireIdle(): void {
    this.requireAlive()
    if (this.work)
      throw kvError(
        'KV_BUSY',
        `The context is busy with ${this.work.name}.`,
        'Wait for it, or work on a fork() made before.',
      )
  }

  private requireAlive(): void {
    if (this.disposing) throw kvError('KV_DISPOSED', 'The context was disposed.')
  }
}
