import type { Recompressed } from './recompress/recompress-context.ts'
import {
  fullCache,
  nominalBits,
  planBytes,
  type CompressionPlan,
  type CompressionSpec,
  type ModelFacts,
} from '@qpkv/spec'
import type { CanaryReport } from './canary/canary-report.ts'
import type { ModelPrecision, NativeBytes } from './native/addon.ts'
import type { WeightsInUse } from './weights/weights-in-use.ts'

/** What a context holds, what it takes and how long that took. Plain JSON. */
export interface ContextReport {
  readonly spec: CompressionSpec
  /** The plan after selection. */
  readonly plan: CompressionPlan
  readonly promptTokens: number
  /** Prompt, appended and generated tokens together. */
  readonly tokens: number
  /** [layers][storedHeads] tokens kept at the end of prefill. */
  readonly kept: readonly (readonly number[])[]
  /** [layers][storedHeads] tokens held now: later ones included, evicted ones not. */
  readonly held: readonly (readonly number[])[]
  /** Mean of `kept`. */
  readonly keptPerHead: number
  /** Per stored value: code width as the papers count, and all that is really stored. */
  readonly bits: { readonly nominal: number; readonly true: number }
  readonly bytes: {
    /** By the final plan. */
    readonly planned: number
    /** Handed out natively at the end of prefill, and the codebooks beside it; equal to `planned`. */
    readonly allocated: number
    /** Codebooks, part of both figures above; they lie beside the arena. */
    readonly tables: number
    /** Handed out since, for later tokens. */
    readonly grown: number
    /** Mapped but not handed out: ends of arenas. */
    readonly unused: number
    /** Counted by a quantizer that runs in TypeScript, instead of `planned`. */
    readonly simulated?: number
  }
  /**
   * Layers that keep what their sliding window sees, in models where others see everything: no pruner chooses there, and a
   * budget of tokens is about the other layers. Their bytes are part of those above.
   */
  readonly windowed: { readonly layers: readonly number[]; readonly bytes: number }
  /** The prompt's whole cache at 16 bit per value and KV head, in bytes. */
  readonly fullBytes: number
  /** planned (or simulated) / fullBytes. */
  readonly shareOfFull: number
  /** Share of the budget used: by the papers' nominal accounting, and by real bytes. */
  readonly spentNominal: number
  readonly spentBytes: number
  /** What computes: the op table, the precision of products and attention, and how the weights lie in memory. */
  readonly engine: {
    readonly table: string
    readonly threads: number
    readonly precision: ModelPrecision
    readonly weights: WeightsInUse
  }
  /** Where one was asked for. */
  readonly canary?: CanaryReport
  /** Every time that the context was compressed again; the figures above are those of the last, its text being the prompt. */
  readonly recompressed?: readonly Recompressed[]
  readonly timings: {
    readonly prefillMs: number
    /** Prompt tokens per second, both passes together; they may have served several specs. */
    readonly prefillTokensPerSecond: number
    /** How often the prompt passed through the model: twice where the allocator measured every layer first. */
    readonly promptPasses: 1 | 2
    readonly decodeMs: number
    readonly decodeTokens: number
    readonly decodeTokensPerSecond: number
  }
}

export interface ReportFacts {
  readonly spec: CompressionSpec
  readonly plan: CompressionPlan
  readonly model: ModelFacts
  readonly tokens: number
  readonly kept: readonly (readonly number[])[]
  readonly held: readonly (readonly number[])[]
  readonly bytes: NativeBytes
  readonly simulatedBytes: number | undefined
  readonly spentNominal: number
  readonly spentBytes: number
  readonly windowedLayers: readonly number[]
  readonly engine: ContextReport['engine']
  readonly canary: CanaryReport | undefined
  readonly recompressed: readonly Recompressed[] | undefined
  readonly prefillMs: number
  readonly promptPasses: 1 | 2
  readonly decode: { readonly ms: number; readonly tokens: number }
}

/** What follows from the plan after selection, which does not change: a report may be asked for after every token. */
function figuresOf({ plan, model, kept }: Pick<ReportFacts, 'plan' | 'model' | 'kept'>) {
  const perLayer = kept.map(sum)
  return {
    bytes: planBytes(plan, model),
    heads: sum(kept.map((heads) => heads.length)),
    tokensStored: sum(perLayer),
    nominalBits: sum(plan.layers.map((layer, l) => (perLayer[l] ?? 0) * nominalBits(layer))),
  }
}

const figures = new WeakMap<CompressionPlan, ReturnType<typeof figuresOf>>()

export function makeReport(facts: ReportFacts): ContextReport {
  const { plan, model, kept, bytes, simulatedBytes, decode } = facts
  const known = figures.get(plan) ?? figuresOf(facts)
  figures.set(plan, known)
  const { tokensStored, heads } = known
  const { total: planned, tables, perLayer } = known.bytes
  const fullBytes = fullCache(model, plan.promptTokens).bytes
  const stored = simulatedBytes ?? planned
  return {
    spec: facts.spec,
    plan,
    promptTokens: plan.promptTokens,
    tokens: facts.tokens,
    kept,
    held: facts.held,
    keptPerHead: tokensStored / heads,
    bits: {
      nominal: known.nominalBits / tokensStored,
      true: (stored * 8) / (tokensStored * model.headDim * 2),
    },
    bytes: {
      planned,
      allocated: bytes.planned + tables,
      tables,
      grown: bytes.grown,
      unused: bytes.unused,
      ...(simulatedBytes !== undefined && { simulated: simulatedBytes }),
    },
    windowed: {
      layers: facts.windowedLayers,
      bytes: sum(facts.windowedLayers.map((layer) => perLayer[layer] ?? 0)),
    },
    fullBytes,
    shareOfFull: stored / fullBytes,
    spentNominal: facts.spentNominal,
    spentBytes: facts.spentBytes,
    engine: facts.engine,
    ...(facts.canary && { canary: facts.canary }),
    ...(facts.recompressed && { recompressed: facts.recompressed }),
    timings: {
      prefillMs: facts.prefillMs,
      prefillTokensPerSecond: perSecond(plan.promptTokens, facts.prefillMs),
      promptPasses: facts.promptPasses,
      decodeMs: decode.ms,
      decodeTokens: decode.tokens,
      decodeTokensPerSecond: perSecond(decode.tokens, decode.ms),
    },
  }
}

const perSecond = (count: number, ms: number) => (ms > 0 ? (count * 1000) / ms : 0)

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
