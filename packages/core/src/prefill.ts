import { performance } from 'node:perf_hooks'
import {
  finalPlan,
  headTokens,
  planBytes,
  storedHeads,
  type CompressionPlan,
  type Hooks,
  type ModelFacts,
  type Observed,
} from '@qpkv/spec'
import { endedBy, throwIfAborted } from './aborted.ts'
import { Context } from './context.ts'
import { fromNative, kvError } from './errors.ts'
import type { ModelParts } from './model-parts.ts'
import type { NativeModel, NativePrefill, NativePromptMemory, NativeReplay } from './native/addon.ts'
import { viewLayer } from './layer-view.ts'
import type { PrefillOptions } from './prefill-options.ts'
import { contextLimit } from './prompt/context-limit.ts'
import type { TokenizedPrompt } from './prompt/tokenize-prompt.ts'
import type { ResolvedSpec } from './resolve-all.ts'
import { replaysFor } from './replay.ts'
import { roundTripLayer } from './round-trip.ts'

/** Bytes per layer and tensor that simulated quantizers count. */
type SimulatedBytes = number[]

/**
 * Sends a prompt through the layers; each layer's cache is compressed once per spec before the next layer runs.
 * `started`: when work on the prompt began, by performance.now().
 */
export async function runPrefill(
  parts: ModelParts,
  prompt: TokenizedPrompt,
  specs: readonly ResolvedSpec[],
  memory: NativePromptMemory,
  options: PrefillOptions,
  started: number,
): Promise<Context[]> {
  const { native, facts } = parts
  const { signal } = options
  throwIfAborted(signal)
  const expected = Math.max(prompt.ids.length, options.expectTokens ?? 0)
  const plans = specs.map(({ plan }) => plan)
  const replays = replaysFor(plans, prompt.ids, parts)
  const prefill = start(native, prompt.ids, specs, expected, memory, replays)
  const stop = () => {
    prefill.abort()
  }
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const pass = { prefill, specs, parts, ids: prompt.ids, options }
    const looksIn = options.onLayer !== undefined || specs.some(({ hooks }) => hooks.score ?? hooks.roundTrip)
    const { kept, simulated } = looksIn ? await runWithHooks(pass) : await runAlone(pass)
    throwIfAborted(signal)
    const contexts = await prefill.finish()
    const prefillMs = performance.now() - started
    return contexts.map((context, index) => {
      const spec = specs[index] as ResolvedSpec
      const keptPositions = kept[index] ?? []
      const counts = keptPositions.map((heads) => heads.map((positions) => positions.length))
      const plan = finalPlan(spec.plan, counts)
      return new Context({
        model: parts,
        native: context,
        spec,
        plan,
        kept: counts,
        keptPositions,
        simulatedBytes: countSimulated(plan, facts, simulated[index] ?? []),
        prompt,
        prefillMs,
        onWarning: options.onWarning,
        ...(options.whenFull !== undefined && { whenFull: options.whenFull }),
        expected,
        limit: contextLimit(parts.config, expected, options.allowLongPrompt === true),
      })
    })
  } catch (cause) {
    throw endedBy(cause, signal)
  } finally {
    signal?.removeEventListener('abort', stop)
    prefill.dispose()
  }
}

/** A prefill that runs. */
interface Pass {
  readonly prefill: NativePrefill
  readonly specs: readonly ResolvedSpec[]
  readonly parts: ModelParts
  readonly ids: Int32Array
  readonly options: PrefillOptions
}

interface PassResult {
  /** [specs][layers][stored heads] positions, in storage order. */
  readonly kept: readonly (readonly (readonly Int32Array[])[])[]
  readonly simulated: readonly SimulatedBytes[]
}

/** Nothing asks in between: the engine's thread runs all layers. */
async function runAlone({ prefill, specs, parts, ids, options }: Pass): Promise<PassResult> {
  const { layers } = parts.facts
  let failure: { readonly cause: unknown } | undefined
  const progress = (layer: number) => {
    try {
      if (!failure) options.onProgress?.({ layer, layers, tokens: ids.length })
    } catch (cause) {
      failure = { cause }
      prefill.abort()
    }
  }
  try {
    const kept = await prefill.runLayers(options.onProgress && progress)
    if (failure) throw failure.cause
    return { kept, simulated: specs.map(() => []) }
  } catch (cause) {
    throw failure ? failure.cause : cause
  }
}

/** Layer by layer, because somebody looks at each or has a say in it. */
async function runWithHooks({ prefill, specs, parts, ids, options }: Pass): Promise<PassResult> {
  const { signal, onProgress, onLayer } = options
  const { layers } = parts.facts
  const tokens = ids.length
  const simulated: SimulatedBytes[] = specs.map(() => [])
  for (let layer = 0; layer < layers; layer++) {
    await prefill.runLayer()
    for (const [index, spec] of specs.entries()) {
      throwIfAborted(signal)
      const { positions, bytes, scores } = await compressLayer(prefill, index, layer, spec, parts, ids)
      if (bytes !== undefined) simulated[index]?.push(bytes)
      const observes = (spec.plan.layers[layer]?.stages.length ?? 0) > 0
      await onLayer?.(viewLayer(prefill, { layer, index, tokens, positions, observes }, scores))
    }
    onProgress?.({ layer: layer + 1, layers, tokens })
  }
  // Layers that share slots have chosen with the last one.
  return { kept: prefill.kept(), simulated }
}

/** Bytes of a context with simulated layers: what their quantizer counted, and the others as they are stored. */
function countSimulated(
  plan: CompressionPlan,
  facts: ModelFacts,
  counted: SimulatedBytes,
): number | undefined {
  if (counted.length === 0) return undefined
  const native = planBytes(plan, facts).perLayer.filter((_, layer) => !plan.layers[layer]?.simulated)
  return [...counted, ...native].reduce((sum, n) => sum + n, 0)
}

/** What this engine cannot run is refused here, by the name of the plan's field. */
function start(
  native: NativeModel,
  ids: Int32Array,
  specs: readonly ResolvedSpec[],
  expected: number,
  memory: NativePromptMemory,
  replays: readonly NativeReplay[],
): NativePrefill {
  try {
    return native.startPrefill(
      ids,
      specs.map(({ plan }) => plan),
      expected,
      memory,
      replays,
    )
  } catch (cause) {
    throw fromNative(cause)
  }
}

interface CompressedLayer {
  /** Kept positions per stored head, in storage order. */
  readonly positions: readonly Int32Array[]
  /** Bytes that a simulated quantizer counts for the layer. */
  readonly bytes?: number
  /** What a method's score() made of the layer's scores. */
  readonly scores?: Float32Array | undefined
}

async function compressLayer(
  prefill: NativePrefill,
  index: number,
  layer: number,
  { plan, hooks }: ResolvedSpec,
  { facts }: ModelParts,
  tokenIds: Int32Array,
): Promise<CompressedLayer> {
  const heads = storedHeads(plan.heads, facts)
  const layerPlan = plan.layers[layer]
  const scores =
    hooks.score && layerPlan && layerPlan.stages.length > 0
      ? hookScores(hooks.score, {
          layer,
          heads,
          tokens: tokenIds.length,
          tokenIds,
          slots: headTokens(layerPlan.tokens, heads),
          protect: layerPlan.protect,
          scores: await prefill.scores(index),
        })
      : undefined
  const given = scores && { scores }
  if (!hooks.roundTrip || !plan.layers[layer]?.simulated) {
    return { positions: await prefill.compressLayer(index, given), scores }
  }
  return { ...(await roundTripLayer(prefill, index, layer, heads, facts, hooks.roundTrip, given)), scores }
}

function hookScores(score: NonNullable<Hooks['score']>, observed: Observed): Float32Array {
  const { layer, heads, scores } = observed
  const replaced: unknown = score(observed)
  if (!(replaced instanceof Float32Array) || replaced.length !== scores.length)
    throw kvError(
      'KV_METHOD',
      `Expected a Float32Array of ${scores.length} scores [${heads}, ${scores.length / heads}] from the pruner's score() for layer ${layer}.`,
    )
  if (replaced.some((value) => Number.isNaN(value)))
    throw kvError('KV_NUMERIC', `The pruner's score() returned NaN for layer ${layer}.`)
  return replaced
}
