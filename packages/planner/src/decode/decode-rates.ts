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

/** Decode as it was predicted and as it was, at the length that is measured. */
export interface DecodeCheck {
  readonly tokens: number
  readonly predictedMs: number
  readonly measuredMs: number
}

/** Of a cache in a round. */
const STEPS = 8
/** Rounds: so many, and more while they take less than a second. */
const ROUNDS = { least: 6, most: 60, ms: 1000 } as const
const SHORT = 32

/** The packed formats of a layer; a name for the table. */
const formatOf = ({ segments, keys }: Pick<LayerPlan, 'segments' | 'keys'>, tier: number): string => {
  const packed = segments.filter(({ role }) => role === 'packed')[tier]
  return JSON.stringify([packed?.key ?? 16, packed?.value ?? 16, keys.transform, keys.rope])
}

/**
 * Times decode steps over the full cache, over one cache per storage, and over the very caches that are to be predicted, all of one prompt.
 * @param storages specs that prune nothing; every format of a plan that is to be predicted is the packed one of one of them
 * @param candidates specs whose predicted steps are held against measured ones
 * @returns rates, and per candidate how good a prediction by them is; undefined where a format was not timed
 */
export async function measureDecode(
  model: Model,
  prompt: readonly number[],
  storages: readonly SpecInput[],
  candidates: readonly SpecInput[],
  signal: AbortSignal,
): Promise<{ readonly rates: DecodeRates; readonly checks: readonly (DecodeCheck | undefined)[] }> {
  const { facts } = model
  const ids = prompt.slice(0, model.config.contextTokens - STEPS - 1)
  const specs = [
    checkSpec({}),
    ...storages.map((one) => checkSpec(one)),
    ...candidates.map((one) => checkSpec(one)),
  ]
  const contexts = [await model.prefill(ids.slice(0, SHORT), { signal })]
  try {
    contexts.push(...(await model.prefill(ids, { compression: specs, signal, onWarning: () => undefined })))
    const [baseMs = 0, ...ms] = await stepMs(contexts, signal)
    const plans = contexts.slice(1).map(({ report }) => report.plan)
    const perToken = new Map<string, number>()
    const heads = facts.layers * facts.kvHeads
    for (const [i, { layers }] of plans.slice(0, 1 + storages.length).entries()) {
      const [layer] = layers
      const more = Math.max(0, (ms[i] ?? NaN) - baseMs)
      if (layer) perToken.set(formatOf(layer, 0), more / (heads * (ids.length - SHORT)))
    }
    const rates = { baseMs, perToken }
    const checks = plans.slice(1 + storages.length).map((plan, i): DecodeCheck | undefined => {
      const predictedMs = predictDecodeMs(rates, plan, facts)
      const measuredMs = ms[1 + storages.length + i] ?? NaN
      return predictedMs === undefined ? undefined : { tokens: ids.length, predictedMs, measuredMs }
    })
    return { rates, checks }
  } finally {
    await Promise.all(contexts.map((context) => context.dispose()))
  }
}

/**
 * Milliseconds of a decode step over each of these caches. They are timed in turn, so that what else the machine does meets all of them alike, and
 * as that only adds to a time, the lower quartile of the rounds counts.
 */
async function stepMs(contexts: readonly Context[], signal: AbortSignal): Promise<number[]> {
  const times: number[][] = contexts.map(() => [])
  const started = performance.now()
  for (let round = 0; round < ROUNDS.most; round++) {
    if (round >= ROUNDS.least && performance.now() - started > ROUNDS.ms) break
    for (const [i, context] of contexts.entries()) {
      const own = context.fork()
      const run = own.generate({ maxTokens: STEPS + 1, temperature: 0, stopTokens: [], signal })
      const { tokensPerSecond } = (await run.result).timings
      await own.dispose()
      times[i]?.push(1000 / tokensPerSecond)
    }
  }
  return times.map((mine) => mine.sort((a, b) => a - b)[mine.length >> 2] ?? NaN)
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
