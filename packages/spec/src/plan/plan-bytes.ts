import { meanTokens } from '../resolve/layer-tokens.ts'
import type { ModelFacts } from '../facts.ts'
import type { CompressionPlan, LayerPlan, SegmentPlan, TierCounts, TokenShare } from './layer-plan.ts'
import type { TensorFormat } from './tensor-format.ts'
import { partBytes, TILE_TOKENS, type PartNeeds } from './tile-bytes.ts'

/** Bytes of a plan. `tiles` is what the native allocator hands out; `tables` are codebooks, once per layer and tensor. */
export interface PlanBytes {
  readonly tiles: number
  readonly tables: number
  /** tiles + tables. */
  readonly total: number
  /** [layers], tiles and tables. */
  readonly perLayer: readonly number[]
}

/** What a layer's parts need beside formats: these fields of a LayerPlan. */
export type StoredLayer = Pick<LayerPlan, 'segments' | 'residual' | 'evict' | 'keys'>
/** Who shares a layer's tokens; these fields of a LayerPlan's `tokens`. */
export type SharedTokens = Pick<TokenShare, 'pool' | 'rounding'>

/** Tokens that each stored head keeps at the end of prefill, at most; with a pool on average. [storedHeads] */
export const headTokens = ({ perHead }: Pick<TokenShare, 'perHead'>, heads: number): readonly number[] =>
  typeof perHead === 'number' ? Array.from({ length: heads }, () => perHead) : perHead

/** Packed segments: more than one are tiers. */
export const tierCount = (segments: readonly SegmentPlan[]): number =>
  segments.filter(({ role }) => role === 'packed').length

/**
 * Tokens of one tensor in every segment of a head that keeps `tokens` tokens, in the order of `segments`. Which head it is
 * matters only where tiers are counted.
 */
export function segmentTokens(
  layer: StoredLayer,
  tensor: 'key' | 'value',
  tokens: number,
  head = 0,
): number[] {
  const tiers = layer.segments.filter(({ role }) => role === 'packed')
  const count = (role: SegmentPlan['role']) => {
    const planned = layer.segments.find((segment) => segment.role === role)?.tokens
    return planned === 'rest' ? tokens : typeof planned === 'number' ? planned : 0
  }
  if (tiers.length === 0) return layer.segments.map(({ role }) => (role === 'recent' ? tokens : 0))
  const sinks = Math.min(count('sinks'), tokens)
  const window = count('recent')
  // The block rule keeps the newest keys that do not fill a block, and the newest `window` values.
  const blocks = layer.residual.keys === 'block' && tensor === 'key' && window > 0
  const rest = tokens - sinks
  const recent = blocks ? rest % window : Math.min(window, rest)
  const packed = rest - recent
  let left = packed
  return layer.segments.map((segment) => {
    if (segment.role === 'sinks') return sinks
    if (segment.role === 'recent') return recent
    const own = Math.min(left, tierTokens(segment.tokens, packed, head))
    left -= own
    return own
  })
}

/** Of `packed` tokens of a head; `rest` and numbers: all. */
function tierTokens(planned: SegmentPlan['tokens'], packed: number, head: number): number {
  if (typeof planned !== 'object') return packed
  return 'share' in planned ? Math.floor(planned.share * packed) : (planned.counts[head] ?? 0)
}

/** Parts of one tensor in one segment: full tiles and what is left. */
export function runBytes(
  tensor: 'key' | 'value',
  format: TensorFormat,
  tokens: number,
  headDim: number,
  needs: PartNeeds = {},
): number {
  const rest = tokens % TILE_TOKENS
  const full = (tokens - rest) / TILE_TOKENS
  return (
    (full > 0 ? full * partBytes(tensor, format, TILE_TOKENS, headDim, needs) : 0) +
    (rest > 0 ? partBytes(tensor, format, rest, headDim, needs) : 0)
  )
}

/** Sections beyond codes and scales that a layer's parts carry. */
export function partNeeds(layer: StoredLayer): PartNeeds {
  const evicts = layer.evict !== 'never'
  const rotatesLater = layer.keys.rope === 'before'
  return { positions: evicts || rotatesLater, mask: evicts }
}

/** Bytes of one stored head that keeps `tokens` tokens: segments of K and of V. */
export function headBytes(layer: StoredLayer, tokens: number, headDim: number, head = 0): number {
  const needs = partNeeds(layer)
  let bytes = 0
  for (const tensor of ['key', 'value'] as const)
    for (const [i, count] of segmentTokens(layer, tensor, tokens, head).entries())
      bytes += runBytes(tensor, layer.segments[i]![tensor], count, headDim, needs)
  return bytes
}

/**
 * Bytes of a layer's stored heads that keep `tokens` each, at most: where heads share a pool, no way of sharing takes more.
 * Beyond the exact segments a head's bytes repeat with every tile (under the block rule: with every common multiple of tile and block),
 * so they are at most a slope times its tokens plus the largest excess of one period.
 */
export function layerBytes(
  layer: StoredLayer,
  { pool, rounding }: SharedTokens,
  heads: number,
  headDim: number,
): (tokens: number) => number {
  const means = meanBytes(layer, heads, headDim)
  if (pool === 'head') return (tokens) => heads * headBytes(layer, tokens, headDim) + means
  if (tierCount(layer.segments) > 1) {
    const atMost = tieredBytesAtMost(layer, headDim)
    return (tokens) => Math.ceil(heads * atMost(tokens + (rounding === 'each' ? 1 : 0))) + means
  }
  const exact = layer.segments.reduce((sum, { tokens }) => sum + (typeof tokens === 'number' ? tokens : 0), 0)
  const block = layer.segments.find(({ role }) => role === 'recent')?.tokens
  const period =
    layer.residual.keys === 'block' && typeof block === 'number' && block > 0
      ? (TILE_TOKENS * block) / greatestCommonDivisor(TILE_TOKENS, block)
      : TILE_TOKENS
  const steady = Math.ceil(exact / period) * period + period
  const slope = (headBytes(layer, steady + period, headDim) - headBytes(layer, steady, headDim)) / period
  let excess = 0
  for (let n = 1; n <= steady + period; n++)
    excess = Math.max(excess, headBytes(layer, n, headDim) - slope * n)
  return (tokens) => Math.ceil(heads * (slope * (tokens + (rounding === 'each' ? 1 : 0)) + excess)) + means
}

/**
 * At least the bytes of any way in which heads that keep `tokens` on average share them: every segment costs at most a slope
 * times its tokens and the largest excess of a tile, and shares are rounded to whole tokens, the last tier's up.
 */
function tieredBytesAtMost(layer: StoredLayer, headDim: number): (tokens: number) => number {
  const needs = partNeeds(layer)
  let left = 1
  let exact = 0
  // Tiers that are counted head by head are no part of what heads share.
  const shared = layer.segments.filter(({ tokens }) => !(typeof tokens === 'object' && 'counts' in tokens))
  const segments = shared.flatMap(({ tokens: planned, ...formats }) => {
    const share =
      typeof planned === 'object' && 'share' in planned ? planned.share : planned === 'rest' ? left : 0
    left -= share
    let slope = 0
    let excess = 0
    for (const tensor of ['key', 'value'] as const) {
      const cost = (n: number) => runBytes(tensor, formats[tensor], n, headDim, needs)
      if (typeof planned === 'number') {
        exact += cost(planned)
        continue
      }
      const each = cost(TILE_TOKENS) / TILE_TOKENS
      let most = 0
      for (let n = 1; n < TILE_TOKENS; n++) most = Math.max(most, cost(n) - each * n)
      slope += each
      excess += most
    }
    return typeof planned === 'number' ? [] : [{ slope, excess, share }]
  })
  return (tokens) =>
    segments.reduce(
      (bytes, { slope, excess, share }) => bytes + slope * (share * tokens + layer.segments.length) + excess,
      exact,
    )
}

/** Bytes of the mean keys that a layer's keys are stored less of: float32 for all stored heads together. */
export const meanBytes = ({ keys }: Pick<LayerPlan, 'keys'>, heads: number, headDim: number): number =>
  keys.transform.startsWith('center') ? Math.ceil((heads * headDim * 4) / 64) * 64 : 0

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b)

/** Bytes of a layer's codebooks: 2^bits float32 levels, once per tensor. */
export function tableBytes(layer: Pick<LayerPlan, 'segments'>): number {
  let bytes = 0
  for (const segment of layer.segments)
    for (const format of [segment.key, segment.value])
      if (format.bits !== 16 && format.levels !== 'uniform') bytes += 4 * 2 ** format.bits
  return bytes
}

/** Heads of a layer that have their own list of tokens: the model's KV heads, or its query heads. */
export const storedHeads = (heads: 'kv' | 'query', model: ModelFacts): number =>
  heads === 'query' ? model.queryHeads : model.kvHeads

/**
 * Bytes of a plan, by the layout of tiles; for a final plan equal to the engine's counter. `kept[layer][head]` replaces the
 * plan's upper bounds. A layer stored by a TypeScript `roundTrip` counts what its plan stores, see `simulatedBytes` of resolve().
 */
export function planBytes(
  plan: CompressionPlan,
  model: ModelFacts,
  kept?: readonly (readonly number[] | Int32Array)[],
): PlanBytes {
  const heads = storedHeads(plan.heads, model)
  let tiles = 0
  let tables = 0
  // Tokens may go to whichever of these layers takes most for them.
  const pooled = plan.layers
    .filter(({ tokens }) => tokens.pool === 'model')
    .map((layer) => layerBytes(layer, layer.tokens, heads, model.headDim))
  const perLayer = plan.layers.map((layer, l) => {
    const { perHead, pool } = layer.tokens
    const own = typeof perHead === 'number' || pool === 'model' ? undefined : perHead
    const counts = kept?.[l] ?? layer.kept ?? own
    let bytes = counts === undefined ? 0 : meanBytes(layer, heads, model.headDim)
    if (counts !== undefined)
      for (const [head, count] of counts.entries()) bytes += headBytes(layer, count, model.headDim, head)
    else if (pool === 'model') bytes = mostBytes(pooled, meanTokens(perHead))
    else if (typeof perHead === 'number')
      bytes = layerBytes(layer, layer.tokens, heads, model.headDim)(perHead)
    const table = tableBytes(layer)
    tiles += bytes
    tables += table
    return bytes + table
  })
  return { tiles, tables, total: tiles + tables, perLayer }
}

/** The most that any of some layers takes for as many tokens per stored head. */
export const mostBytes = (layers: readonly ((tokens: number) => number)[], tokens: number): number =>
  layers.reduce((most, bytes) => Math.max(most, bytes(tokens)), 0)

/** The plan after selection: what every head really keeps. `kept[layer][head]` are token counts. */
export const finalPlan = (
  plan: CompressionPlan,
  kept: readonly (readonly number[] | Int32Array)[],
): CompressionPlan => ({
  ...plan,
  layers: plan.layers.map((layer, l) => {
    const counts = [...(kept[l] ?? [])]
    return counts.length === 0
      ? layer
      : { ...layer, tokens: { ...layer.tokens, perHead: perHead(layer, counts) }, kept: counts }
  }),
})

const perHead = ({ tokens }: LayerPlan, counts: readonly number[]) =>
  tokens.pool !== 'head' || typeof tokens.perHead !== 'number' ? tokens.perHead : Math.max(...counts)

/** Nominal bytes, as the papers count: every kept token at the quantizer's code width, nothing else. */
export function nominalBytes(plan: CompressionPlan, model: ModelFacts): number {
  const heads = storedHeads(plan.heads, model)
  let bits = 0
  for (const layer of plan.layers) {
    const counts = layer.kept ?? headTokens(layer.tokens, heads)
    for (const [head, count] of counts.entries())
      bits += count * model.headDim * (headNominalBits(layer, count, head) * 2)
  }
  return bits / 8
}

/** The same of one head that keeps `tokens`, where tiers are counted: its exact tokens count at the last tier's width. */
function headNominalBits(
  layer: Pick<LayerPlan, 'segments' | 'simulated'>,
  tokens: number,
  head: number,
): number {
  const width = ({ key, value }: SegmentPlan) => (key.bits + value.bits) / 2
  const tiers = layer.segments.filter(({ role }) => role === 'packed')
  const last = tiers.at(-1)
  if (last === undefined || tokens === 0 || !tiers.some(isCounted)) return nominalBits(layer)
  return tiers.reduce(
    (bits, tier) =>
      bits + (isCounted(tier) ? ((tier.tokens.counts[head] ?? 0) / tokens) * (width(tier) - width(last)) : 0),
    width(last),
  )
}

const isCounted = (segment: SegmentPlan): segment is SegmentPlan & { readonly tokens: TierCounts } =>
  typeof segment.tokens === 'object' && 'counts' in segment.tokens

/** Nominal bits per value of a layer, mean of K and V and over its tiers: those of the packed segments, or 16. */
export function nominalBits(layer: Pick<LayerPlan, 'segments' | 'simulated'>): number {
  if (layer.simulated) return (layer.simulated.keyBits + layer.simulated.valueBits) / 2
  const tiers = layer.segments.filter(({ role }) => role === 'packed')
  let left = 1
  let bits = 0
  for (const { tokens, key, value } of tiers) {
    const share = typeof tokens === 'object' ? ('share' in tokens ? tokens.share : 0) : left
    left -= share
    bits += (share * (key.bits + value.bits)) / 2
  }
  return tiers.length === 0 ? 16 : bits
}
