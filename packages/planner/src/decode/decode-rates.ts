import { median } from '@qpkv/bench-kit'
import type { Context, Model } from '@qpkv/core'
import {
  checkSpec,
  headTokens,
  storedHeads,
  type CompressionPlan,
  type LayerPlan,
  type ModelFacts,
  type SegmentPlan,
  type SpecInput,
} from '@qpkv/spec'

/** Milliseconds that a token takes on this machine, from steps over caches in each format. */
export interface DecodeRates {
  /** A step over a cache of no length to speak of: weights. */
  readonly baseMs: number
  /** By format: milliseconds per token that a head of a layer holds. */
  readonly perToken: ReadonlyMap<string, number>
}

const STEPS = 12
const SHORT = 32

/** The packed formats of a layer; a name for the table. */
const formatOf = ({ segments, keys }: Pick<LayerPlan, 'segments' | 'keys'>, tier: number): string => {
  const packed = segments.filter(({ role }) => role === 'packed')[tier]
  return JSON.stringify([packed?.key ?? 16, packed?.value ?? 16, keys.transform, keys.rope])
}

/**
 * Times decode steps over the full cache and over one cache per storage, all of one prompt.
 * @param storages specs that prune nothing; every format of a plan that is to be predicted is the packed one of one of them
 */
export async function measureDecodeRates(
  model: Model,
  ids: readonly number[],
  storages: readonly SpecInput[],
  signal: AbortSignal,
): Promise<DecodeRates> {
  const specs = [checkSpec({}), ...storages.map((one) => checkSpec(one))]
  const short = await model.prefill(ids.slice(0, SHORT), { signal })
  const baseMs = await stepMs(short, signal)
  await short.dispose()
  const contexts = await model.prefill([...ids], { compression: specs, signal, onWarning: () => undefined })
  const perToken = new Map<string, number>()
  try {
    const heads = model.facts.layers * model.facts.kvHeads
    for (const context of contexts) {
      const [layer] = context.report.plan.layers
      const ms = Math.max(0, (await stepMs(context, signal)) - baseMs)
      if (layer) perToken.set(formatOf(layer, 0), ms / (heads * (ids.length - SHORT)))
    }
  } finally {
    await Promise.all(contexts.map((context) => context.dispose()))
  }
  return { baseMs, perToken }
}

async function stepMs(context: Context, signal: AbortSignal): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < STEPS; i++) {
    const started = performance.now()
    await context.append([i + 1], { signal })
    times.push(performance.now() - started)
  }
  return median(times.slice(2))
}

/** Undefined where a format of the plan was not measured. Tokens in 16 bit beside the packed ones count as packed. */
export function predictDecodeMs(
  rates: DecodeRates,
  plan: CompressionPlan,
  facts: ModelFacts,
): number | undefined {
  const heads = storedHeads(plan.heads, facts)
  let ms = rates.baseMs
  for (const layer of plan.layers) {
    const tokens = headTokens(layer.tokens, heads).reduce((sum, n) => sum + n, 0)
    const packed = layer.segments.filter(({ role }) => role === 'packed')
    let left = 1
    // Without a quantizer there is one format, in 16 bit.
    for (let tier = 0; tier < Math.max(1, packed.length); tier++) {
      const part = partOf(packed[tier]?.tokens, tokens) ?? left
      left -= part
      const rate = rates.perToken.get(formatOf(layer, tier))
      if (rate === undefined) return undefined
      ms += tokens * part * rate
    }
  }
  return ms
}

/** What part of a layer's tokens lies in a tier; undefined: what the others leave. */
function partOf(planned: SegmentPlan['tokens'] | undefined, tokens: number): number | undefined {
  if (typeof planned !== 'object') return undefined
  if ('share' in planned) return planned.share
  return planned.counts.reduce((sum, n) => sum + n, 0) / Math.max(1, tokens)
}
