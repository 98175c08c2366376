import type { Budget } from '../spec/budget.ts'
import type { CompressionSpec, LayerOverride } from '../spec/compression-spec.ts'
import { expected, KvError } from '../errors.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'
import { settleStorage, type SettledStorage, type StoragePrecision } from './layer-storage.ts'
import { checkSelection } from './check-selection.ts'
import type { BoundPruner, BoundQuantizer, Selection } from '../method/method.ts'
import {
  layerBytes,
  storedHeads,
  tableBytes,
  type SharedTokens,
  type StoredLayer,
} from '../plan/plan-bytes.ts'
import { LANES } from '../plan/tile-bytes.ts'

/** One layer while resolve() works on it. */
export interface LayerDesk {
  readonly layer: number
  readonly storage: SettledStorage
  /** Nominal bits per value, mean of K and V. */
  readonly bits: number
  /** Prompt tokens that may be kept: all, or those that a sliding window still sees. */
  readonly candidates: number
  /** Tokens that a layer override asks for, and where it stands in the spec. */
  readonly fixed: { readonly tokens: number; readonly path: string } | undefined
  /** Real bytes of the layer when every stored head keeps `tokens`. */
  readonly bytes: (tokens: number) => number
  /** Whether `bytes` never falls; it does where the KIVI rule fills a block or a pool of heads ends, and a simulation may do anything. */
  readonly bytesRise: boolean
  /** Equal keys have equal `bytes`. */
  readonly bytesKey: string
}

/** All that the steps of resolve() share. */
export interface Desk {
  readonly spec: CompressionSpec
  readonly pruner: BoundPruner
  readonly prunerName: string
  readonly quantizer: BoundQuantizer
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly budget: Budget | undefined
  readonly layers: readonly LayerDesk[]
}

/** Facts come from a configuration file and a tokenizer; nonsense in them is refused here. */
export function checkFacts(model: ModelFacts, prompt: PromptFacts): void {
  const positive = (value: unknown, path: string, what = 'a whole number of at least 1') => {
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw expected(what, path, value, 'KV_CONFIG')
  }
  positive(model.layers, 'model.layers')
  positive(model.queryHeads, 'model.queryHeads')
  positive(model.kvHeads, 'model.kvHeads')
  positive(model.headDim, 'model.headDim')
  if (model.headDim % 2 !== 0) throw expected('an even number', 'model.headDim', model.headDim, 'KV_CONFIG')
  if (model.queryHeads % model.kvHeads !== 0)
    throw expected(
      `a multiple of kvHeads (${model.kvHeads})`,
      'model.queryHeads',
      model.queryHeads,
      'KV_CONFIG',
    )
  positive(prompt.tokens, 'prompt.tokens')
  if (prompt.userEnd === undefined) return
  positive(prompt.userEnd, 'prompt.userEnd')
  if (prompt.userEnd > prompt.tokens)
    throw expected(`at most prompt.tokens (${prompt.tokens})`, 'prompt.userEnd', prompt.userEnd, 'KV_CONFIG')
}

/** The overrides of one layer, joined; contradictions were refused when the spec was checked. */
function overrideOf(spec: CompressionSpec, layer: number): Partial<LayerOverride> & { path?: string } {
  let joined: Partial<LayerOverride> & { path?: string } = {}
  for (const [i, item] of (spec.layers ?? []).entries()) {
    if (layer < item.from || layer >= item.to) continue
    joined = { ...joined, ...item, ...(item.tokens !== undefined && { path: `layers[${i}].tokens` }) }
  }
  return joined
}

export function makeDesk(facts: Omit<Desk, 'layers' | 'budget'>, precision: StoragePrecision): Desk {
  const { spec, pruner, quantizer, model, prompt } = facts
  for (const [i, item] of (spec.layers ?? []).entries())
    if (item.to > model.layers)
      throw expected(
        `at most ${model.layers} (the model's layers)`,
        `layers[${i}].to`,
        item.to,
        'KV_INVALID_SPEC',
      )
  const heads = spec.heads ?? 'kv'
  const layers = Array.from({ length: model.layers }, (_, layer): LayerDesk => {
    const override = overrideOf(spec, layer)
    const window = model.slidingWindow?.[layer]
    const candidates = Math.min(prompt.tokens, window && window > 0 ? window : prompt.tokens)
    const asked = settleStorage(quantizer, { layer, model, heads, override }, precision)
    const settled = spec.budget !== undefined && 'bytes' in spec.budget ? fillPaidSlots(asked) : asked
    // Eviction, cache-relative positions and who shares tokens do not depend on how many tokens are kept.
    const probe = pruner.select({ model, prompt, layer, tokens: candidates, candidates })
    const shared = {
      pool: probe.pool ?? 'head',
      ...(probe.rounding && { rounding: probe.rounding }),
    } as const
    if (shared.pool === 'layer' && settled.simulated)
      throw new KvError(
        'KV_CONFLICT',
        `${facts.prunerName} lets the heads of a layer keep different numbers of tokens; a simulated quantizer needs equally many.`,
        { hint: 'Choose another pruner, or a storage of the quantizer that is not simulated.' },
      )
    const storage = probe.positions === 'cache' ? storedBeforeRope(settled) : settled
    const stored = { segments: storage.segments, residual: storage.residual, evict: probe.evict ?? 'never' }
    return {
      layer,
      storage,
      bits: storage.bits,
      candidates,
      fixed:
        override.tokens === undefined
          ? undefined
          : { tokens: override.tokens, path: override.path ?? 'layers' },
      bytes: bytesOf({
        stored,
        shared,
        storage,
        quantizer,
        layer,
        candidates,
        heads: storedHeads(heads, model),
        headDim: model.headDim,
      }),
      bytesRise: storage.residual !== 'kivi' && !storage.simulated && shared.pool === 'head',
      bytesKey: `${JSON.stringify({ ...stored, ...shared })} ${storage.simulated ? layer : ''} ${candidates}`,
    }
  })
  return { ...facts, budget: spec.budget, layers }
}

/**
 * Exact segments take whole blocks of 16 slots, whatever they hold. Under a budget of real bytes the slots
 * that are paid for are used: `recent` and `sinks` are rounded up to a multiple of 16. (The KIVI residual
 * rule counts tokens by itself and stays as asked.)
 */
function fillPaidSlots(storage: SettledStorage): SettledStorage {
  if (storage.residual === 'kivi' || storage.simulated) return storage
  const segments = storage.segments.map((segment) =>
    segment.role !== 'packed' && segment.tokens !== 'rest'
      ? { ...segment, tokens: Math.ceil(segment.tokens / LANES) * LANES }
      : segment,
  )
  return { ...storage, segments }
}

/** Cache-relative positions: keys are stored before RoPE and rotated when they are read. */
const storedBeforeRope = (storage: SettledStorage): SettledStorage => ({
  ...storage,
  segments: storage.segments.map((segment) => ({ ...segment, key: { ...segment.key, rope: 'before' } })),
})

interface StoredTokens {
  readonly stored: StoredLayer
  readonly shared: SharedTokens
  readonly storage: SettledStorage
  readonly quantizer: BoundQuantizer
  readonly layer: number
  readonly candidates: number
  readonly heads: number
  readonly headDim: number
}

function bytesOf({
  stored,
  shared,
  storage,
  quantizer,
  layer,
  candidates,
  heads,
  headDim,
}: StoredTokens): (tokens: number) => number {
  if (!storage.simulated) {
    const tables = tableBytes(stored)
    const atMost = layerBytes(stored, shared, heads, headDim)
    const whole = layerBytes(stored, { pool: 'head' }, heads, headDim)
    return (tokens) => (tokens < candidates ? atMost : whole)(tokens) + tables
  }
  const count = quantizer.roundTripBytes
  if (!count) throw new KvError('KV_METHOD', 'A quantizer that is simulated must count its bytes.')
  return (tokens) =>
    count({ layer, tensor: 'key', heads, tokens, headDim }) +
    count({ layer, tensor: 'value', heads, tokens, headDim })
}

/** A layer's selection and whether its protected tokens fit; `needed` is then the least that works. */
export function selectLayer(
  desk: Desk,
  layer: LayerDesk,
  tokens: number,
): { readonly selection: Selection } | { readonly needed: number } {
  const { pruner, model, prompt } = desk
  const { candidates } = layer
  const at = (n: number) => pruner.select({ model, prompt, layer: layer.layer, tokens: n, candidates })
  const least = ({ protect }: Selection) => Math.max(1, Math.min(protect.first + protect.last, candidates))
  const selection = checkSelection(at(tokens), layer.layer)
  if (least(selection) <= tokens) return { selection }
  let needed = tokens + 1
  while (needed < candidates && least(at(needed)) > needed) needed++
  return { needed: Math.min(needed, candidates) }
}
