import { performance } from 'node:perf_hooks'
import {
  expected,
  planBytes,
  type CompressionPlan,
  type ModelFacts,
  type PromptFacts,
  type RecipeModel,
  type SpecInput,
  type StoragePrecision,
} from '@qpkv/spec'
import { checkCallOptions } from './call-options.ts'
import type { Context } from './context.ts'
import { fromNative, kvError } from './errors.ts'
import { measureLayers } from './measure-layers.ts'
import { withRoom } from './memory/make-room.ts'
import { requireWhenFull } from './recompress/require-when-full.ts'
import { availableBytes } from './memory/available-bytes.ts'
import { promptMemory } from './memory/prompt-memory.ts'
import { prefillPeakBytes, requireMemory, type Held } from './memory/estimate.ts'
import { heldBy } from './memory/held-by.ts'
import type { ChatTemplate, TemplateOptions } from './model/chat-template.ts'
import type { ModelConfig } from './model/config.ts'
import { identifyModel } from './model/identify-model.ts'
import type { GenerationDefaults } from './model/generation-config.ts'
import type { Tokenizer } from './model/tokenizer.ts'
import type { ModelPrecision } from './native/addon.ts'
import { canaryWarning } from './canary/canary-report.ts'
import { runCanary } from './canary/run-canary.ts'
import { readInput, withRecipe, type CompressionInput, type ReadInput } from './compression-input.ts'
import { requireInputs } from './require-inputs.ts'
import { resolveAll, resolveMeasured, type ResolvedSpec } from './resolve-all.ts'
import type { ModelParts } from './model-parts.ts'
import { runPrefill } from './prefill.ts'
import type { PrefillOptions } from './prefill-options.ts'
import { openContext, type OpenOptions } from './saved/open-context.ts'
import { makeStats, type ModelStats } from './stats.ts'
import { warn } from './warnings.ts'
import type { WeightsInUse } from './weights/weights-in-use.ts'
import { isQueryAware } from './query-aware.ts'
import {
  requireTokenizer,
  tokenizePrompt,
  type Prompt,
  type TokenizedPrompt,
} from './prompt/tokenize-prompt.ts'

/**
 * A loaded model. Contexts made from it stay usable until they are disposed, also beyond `dispose()` of the model; the model itself then
 * answers KV_DISPOSED, whatever it is asked; its tokenizer and chat template stay.
 */
export class Model {
  private readonly parts: ModelParts
  private disposed = false
  private identity: Promise<RecipeModel> | undefined
  /** Needs no weights, so it stays when the model is disposed. */
  readonly tokenizer: Tokenizer | undefined
  /** Needs no weights, so it stays when the model is disposed. */
  readonly chatTemplate: ChatTemplate | undefined

  constructor(parts: ModelParts) {
    this.parts = parts
    this.tokenizer = parts.tokenizer
    this.chatTemplate = parts.chatTemplate
  }

  /** Name of the op table in use. */
  get table(): string {
    return this.alive().table
  }

  get threads(): number {
    return this.alive().threads
  }

  /** Bytes of weights in memory. */
  get weightBytes(): number {
    return this.alive().native.weightBytes
  }

  /** What methods and planners know about the model. */
  get facts(): ModelFacts {
    return this.alive().facts
  }

  /** config.json, checked. */
  get config(): ModelConfig {
    return this.alive().config
  }

  get folder(): string {
    return this.alive().folder
  }

  /** Sampling and stop tokens as the model's files suggest. */
  get generationDefaults(): GenerationDefaults {
    return this.alive().generation
  }

  get precision(): ModelPrecision {
    return this.alive().precision
  }

  /** How the weights lie in memory: the mode asked for, the formats that it came to, what products see. */
  get weights(): WeightsInUse {
    return this.alive().weights
  }

  /** Token ids of a prompt, as prefill would see them. */
  async tokenize(
    prompt: Prompt,
    options: TemplateOptions & { special?: boolean } = {},
  ): Promise<TokenizedPrompt> {
    checkCallOptions(options, 'tokenize')
    return tokenizePrompt(prompt, this.readers(), options)
  }

  /**
   * Reads a prompt and compresses its cache. With a list of specs one exact pass over the prompt serves them all,
   * and one context per spec comes back, in order.
   * @throws KV_PROMPT_TOO_LONG, KV_MEMORY, KV_ABORTED, KV_NUMERIC, KV_RECIPE, KV_CANARY, and whatever resolving the specs throws.
   */
  prefill(
    prompt: Prompt,
    options?: PrefillOptions & { readonly compression?: CompressionInput },
  ): Promise<Context>
  prefill(
    prompt: Prompt,
    options: PrefillOptions & { readonly compression: readonly CompressionInput[] },
  ): Promise<Context[]>
  async prefill(
    prompt: Prompt,
    options: PrefillOptions & { readonly compression?: CompressionInput | readonly CompressionInput[] } = {},
  ): Promise<Context | Context[]> {
    this.alive()
    checkCallOptions(options, 'prefill')
    const { compression } = options
    const many = Array.isArray(compression)
    const specs = (many ? compression : [compression ?? {}]) as readonly CompressionInput[]
    if (specs.length === 0) throw expected('at least one spec', 'compression', compression)
    const { facts, registry, precision } = this.parts
    const inputs = await Promise.all(specs.map(readInput))
    const tokenized = await tokenizePrompt(prompt, this.readers(), options)
    const promptFacts = this.promptFacts(tokenized, options)
    await requireInputs(inputs, tokenized.ids.length, () => this.identify())
    const element = precision === 'f32' ? 'f32' : (options.element ?? 'bf16')
    const resolved = resolveAll(
      inputs.map(({ spec }) => spec),
      registry,
      facts,
      promptFacts,
      element,
    ).map((one, i) => withRecipe(one, inputs[i]))
    const held = this.heldBy(tokenized.ids.length, resolved)
    const available = this.requireMemory(tokenized.ids.length, resolved, held)
    if (options.whenFull !== undefined)
      for (const { plan } of resolved)
        await requireWhenFull(this.parts, options.whenFull, promptFacts, element, plan)
    for (const { warnings } of resolved) for (const warning of warnings) warn(warning, options.onWarning)
    this.alive()
    const expectTokens = Math.max(tokenized.ids.length, options.expectTokens ?? 0)
    const watched = await this.watch(resolved, inputs, tokenized, promptFacts, options)
    this.alive()
    const memory = promptMemory(this.parts.config, facts, {
      tokens: tokenized.ids.length,
      expected: expectTokens,
      caches: resolved,
      held,
      elementBytes: element === 'f32' ? 4 : 2,
      available,
    })
    const started = performance.now()
    const chosen = await this.measure(tokenized, watched, promptFacts, element, available, options)
    this.alive()
    const contexts = await withRoom(this.parts, memory, () =>
      runPrefill(this.parts, tokenized, chosen, memory, options, started),
    )
    return many ? contexts : (contexts[0] as Context)
  }

  /** Canaries come before the prompt itself: what they refuse is not compressed. */
  private async watch(
    resolved: readonly ResolvedSpec[],
    inputs: readonly ReadInput[],
    { ids }: TokenizedPrompt,
    { tokens, userEnd = tokens }: PromptFacts,
    options: PrefillOptions,
  ): Promise<readonly ResolvedSpec[]> {
    const { onProgress: _p, onLayer: _l, onWarning, ...reading } = options
    const watched: ResolvedSpec[] = []
    for (const [i, one] of resolved.entries()) {
      const canary = inputs[i]?.canary
      if (!canary) {
        watched.push(one)
        continue
      }
      const report = await runCanary(
        { spec: one.spec, queryAware: isQueryAware(one.plan), options: canary },
        { ids, end: userEnd },
        requireTokenizer(this.readers()),
        (copy, compression) =>
          this.prefill(copy, { ...reading, userEnd: copy.length, compression, onWarning: () => undefined }),
        options.signal,
      )
      const warning = canaryWarning(report, canary)
      if (warning) warn(warning, onWarning)
      watched.push({ ...one, canary: report })
    }
    return watched
  }

  /** What allocators want to see of every layer is measured in a pass of its own; then they share out the budget. */
  private async measure(
    { ids }: TokenizedPrompt,
    resolved: readonly ResolvedSpec[],
    prompt: PromptFacts,
    element: StoragePrecision,
    available: number,
    { signal, onWarning }: PrefillOptions,
  ): Promise<readonly ResolvedSpec[]> {
    const plans = resolved.flatMap(({ measuring }) => measuring ?? [])
    if (plans.length === 0) return resolved
    const { facts, registry, config } = this.parts
    const memory = promptMemory(config, facts, {
      tokens: ids.length,
      expected: ids.length,
      caches: plans.map((plan) => ({ plan, bytes: planBytes(plan, facts).total })),
      held: this.heldBy(
        ids.length,
        plans.map((plan) => ({ plan })),
      ),
      elementBytes: 2,
      available,
    })
    const measured = await measureLayers(this.parts, ids, plans, memory, { signal, expected: ids.length })
    const shared = resolveMeasured(resolved, measured, registry, facts, prompt, element)
    for (const [i, { warnings }] of shared.entries())
      for (const warning of warnings)
        if (!resolved[i]!.warnings.some(({ code }) => code === warning.code)) warn(warning, onWarning)
    return shared
  }

  /**
   * A context as context.save() wrote it: no token passes the model again. It goes on with the same tokens as the saved
   * one would have, on the same op table.
   * @throws KV_DATA for a file that is missing, cut, damaged, or of another model, precision or weights mode; KV_MEMORY, KV_ABORTED.
   */
  open(path: string, options: OpenOptions = {}): Promise<Context> {
    const parts = this.alive()
    checkCallOptions(options, 'open')
    return openContext(parts, path, availableBytes(parts), options)
  }

  /** Logits of every position, [tokens, vocab] in float32: for checks against other implementations. */
  async logits(
    prompt: Prompt,
    options: PrefillOptions = {},
  ): Promise<{ ids: Int32Array; logits: Float32Array }> {
    checkCallOptions(options, 'prefill')
    const { native, facts } = this.alive()
    const tokenized = await tokenizePrompt(prompt, this.readers(), options)
    const [full] = resolveAll(
      [{}],
      undefined,
      facts,
      this.promptFacts(tokenized, options),
      this.parts.precision === 'f32' ? 'f32' : 'bf16',
    )
    if (!full) throw new Error('unreachable')
    const prefill = native.startPrefill(tokenized.ids, [full.plan])
    try {
      await prefill.runLayers()
      const logits = await prefill.allLogits()
      for (const context of await prefill.finish()) context.dispose()
      return { ids: tokenized.ids, logits }
    } catch (cause) {
      throw fromNative(cause)
    } finally {
      prefill.dispose()
    }
  }

  /**
   * Whether contexts could be compressed in place by this spec when memory is short, see `whenFull` of prefill().
   * @throws KV_UNSUPPORTED for a spec that needs the prompt again, KV_INVALID_SPEC.
   */
  async checkWhenFull(whenFull: SpecInput | string): Promise<void> {
    const { config, facts, registry, precision } = this.alive()
    const prompt = { tokens: config.contextTokens }
    const element = precision === 'f32' ? 'f32' : 'bf16'
    const [full] = resolveAll([{}], registry, facts, prompt, element)
    if (full) await requireWhenFull(this.parts, whenFull, prompt, element, full.plan)
  }

  /** The model by content, as recipes name it. */
  identify(): Promise<RecipeModel> {
    this.identity ??= identifyModel(this.alive().folder, this.parts.weights.mode)
    return this.identity
  }

  /** What the engine has to do now and has done so far; waits for nothing. */
  stats(): ModelStats {
    const { native, yielding } = this.alive()
    return makeStats(native.stats(), native.weightBytes, yielding.count)
  }

  /**
   * Bytes that a prefill of so many tokens would take beside the weights; caches by the specs' plans, and per spec how often
   * the prompt passes through the model.
   */
  estimate(
    tokens: number,
    specs: readonly SpecInput[] = [{}],
  ): { prefillPeak: number; caches: number[]; promptPasses: (1 | 2)[] } {
    const { facts, registry, precision, config } = this.alive()
    const resolved = resolveAll(specs, registry, facts, { tokens }, precision === 'f32' ? 'f32' : 'bf16')
    return {
      prefillPeak: prefillPeakBytes(config, tokens, this.heldBy(tokens, resolved)),
      caches: resolved.map(({ bytes }) => bytes),
      promptPasses: resolved.map(({ promptPasses }) => promptPasses),
    }
  }

  /** Frees weights and threads once the last context is gone. Safe to call twice. */
  dispose(): Promise<void> {
    if (!this.disposed) {
      this.disposed = true
      this.parts.native.dispose()
      this.parts.engine.dispose()
    }
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  private readers() {
    const { tokenizer, chatTemplate, config } = this.alive()
    return { tokenizer, chatTemplate, vocabSize: config.vocabSize }
  }

  private promptFacts(tokenized: TokenizedPrompt, options: PrefillOptions): PromptFacts {
    const tokens = tokenized.ids.length
    const { contextTokens } = this.parts.config
    if (tokens > contextTokens && options.allowLongPrompt !== true)
      throw kvError(
        'KV_PROMPT_TOO_LONG',
        `The prompt has ${tokens} tokens; the model was made for ${contextTokens}.`,
        'Shorten it, or allow it with { allowLongPrompt: true }.',
      )
    const { userEnd = tokenized.userEnd } = options
    if (userEnd !== undefined && !(Number.isSafeInteger(userEnd) && userEnd >= 1 && userEnd <= tokens))
      throw expected(`a whole number from 1 to the prompt's ${tokens} tokens`, 'userEnd', userEnd)
    return { tokens, tokenIds: tokenized.ids, ...(userEnd !== undefined && { userEnd }) }
  }

  /** Whether it would fit if nothing else ran; what does not fit beside the others waits. Gives back the bytes that there are. */
  private requireMemory(tokens: number, resolved: readonly ResolvedSpec[], held: Held): number {
    const { config } = this.parts
    const limit = availableBytes(this.parts)
    requireMemory(
      `A prefill of ${tokens} tokens`,
      {
        'prefill work': prefillPeakBytes(config, tokens, held),
        cache: resolved.reduce((sum, { bytes }) => sum + bytes, 0),
      },
      limit,
      'Use a shorter prompt, fewer specs at once, or a smaller budget.',
    )
    return limit
  }

  private heldBy(tokens: number, specs: readonly { readonly plan: CompressionPlan }[]): Held {
    const { engine, config, precision } = this.parts
    return heldBy(engine, config, tokens, specs, precision)
  }

  private alive(): ModelParts {
    if (this.disposed)
      throw kvError('KV_DISPOSED', 'The model was disposed.', 'Load it again with loadModel().')
    return this.parts
  }
}
