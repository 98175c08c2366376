import { KvError } from '../errors.ts'
import type { AllocatedTokens, AllocationLayer } from '../method/allocator.ts'
import { fullCache, readBudget, type Budget } from '../spec/budget.ts'
import type { Draft, LayerDraft } from './draft.ts'
import { clampTokens, isTiered, meanTokens } from './layer-tokens.ts'
import { protectionAt } from './protect-tokens.ts'

/** Rounding down that forgives the last bits of a division: 0.29 * 100 is 29. */
const floor = (value: number) => Math.floor(value + 1e-9)

/** What exceeds a budget whatever the shares are. */
export type TooMuch = 'overrides' | 'windows' | 'least allocation'

/** Tokens per layer; may exceed the prompt. `equal`: no allocator, or it left equal shares. `tooMuch`: what exceeds the budget whatever the shares are. */
export type Shares =
  { readonly asked: readonly AllocatedTokens[]; readonly equal: boolean } | { readonly tooMuch: TooMuch }

const fixedTokens = (layer: LayerDraft) => clampTokens(layer.fixed!.tokens, layer.candidates)

/** Steps 2 and 3 of resolve(): the budget becomes tokens, overridden layers are set, the allocator shares out the rest. */
export function shareBudget(draft: Draft, budget: Budget | undefined): Shares {
  const { layers, prompt, model } = draft
  if (budget === undefined) {
    const everything = layers.map(() => prompt.tokens)
    return sharesOf(allocate(draft, everything), withOverrides(draft, everything))
  }
  const { kind, amount } = readBudget(budget)
  const average = kind.amount(amount, fullCache(model, prompt.tokens))
  if (kind.measure === 'bytes') return shareBytes(draft, average)
  const free = layers.filter((layer) => !layer.fixed)
  const cost = (layer: LayerDraft) => (kind.measure === 'bits' ? layer.bits : 1)
  const counted = layers.filter((layer) => !layer.windowed)
  let rest = average * counted.length
  for (const layer of counted) if (layer.fixed) rest -= meanTokens(fixedTokens(layer)) * cost(layer)
  if (rest < -1e-9) return { tooMuch: 'overrides' }
  // Equal memory for every layer that is left, so that a layer with fewer bits keeps more tokens.
  const equal = layers.map((layer) => floor(rest / Math.max(1, free.length) / cost(layer)))
  return sharesOf(allocate(draft, equal), withOverrides(draft, equal))
}

const sharesOf = (asked: AllocatedTokens[] | undefined, equal: readonly AllocatedTokens[]): Shares => ({
  asked: asked ?? equal,
  equal: asked === undefined,
})

/** Overridden layers set. */
const withOverrides = ({ layers }: Draft, shares: readonly AllocatedTokens[]): AllocatedTokens[] =>
  layers.map((layer, l) => layer.fixed?.tokens ?? shares[l]!)

/** The allocator's tokens per layer, overridden layers set; undefined where it leaves equal shares. `capacities` of free layers are these. */
function allocate(
  draft: Draft,
  capacities: readonly number[],
  bytes?: number,
): AllocatedTokens[] | undefined {
  const { methods, model, prompt, budget, storedHeads, layers, measured } = draft
  const measure = budget && readBudget(budget).kind.measure
  const asked = methods.allocator.allocate?.({
    model,
    prompt,
    budget,
    storedHeads,
    ...(bytes !== undefined && { bytes }),
    layers: layers.map((layer, l): AllocationLayer => ({
      bits: layer.bits,
      cost: measure === 'bits' || measure === 'bytes' ? layer.bits : 1,
      capacity: layer.fixed ? meanTokens(layer.fixed.tokens) : capacities[l]!,
      candidates: layer.candidates,
      protected: layer.least,
      fixed: layer.fixed !== undefined,
      protects: protectionAt(layer.selection.protect, layer.least, layer.candidates, layer.named),
      ...(layer.heads && { storage: layer.heads }),
      ...(measured && { measured: measured[l]! }),
    })),
  })
  if (asked === undefined) return undefined
  const isCount = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0
  const isList = (n: unknown) => Array.isArray(n) && n.length === storedHeads && n.every(isCount)
  const fits = (n: AllocatedTokens) =>
    Array.isArray(n) ? isList(n) : isTiered(n) ? [n.perHead, ...n.tiers].every(isList) : isCount(n)
  if (!Array.isArray(asked) || asked.length !== layers.length || !asked.every(fits))
    throw new KvError(
      'KV_METHOD',
      `${methods.names.allocator}.allocate() returned ${JSON.stringify(asked)?.slice(0, 120)}; expected ${layers.length} whole numbers from 0, or for a layer a list of ${storedHeads}, one per stored head, or { perHead, tiers }.`,
    )
  return withOverrides(draft, asked)
}

/** The most tokens of 0..`most` for which `bytes` stays within `limit`; `bytes` never falls. */
function lastWithin(bytes: (tokens: number) => number, most: number, limit: number): number {
  let low = 0
  let high = most
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (bytes(middle) <= limit) low = middle
    else high = middle - 1
  }
  return low
}

/**
 * The most tokens of a layer within a number of bytes, up to one more than the prompt
 * has: a larger share is told from an exact one.
 */
function tokensWithin(layer: LayerDraft, limit: number): number {
  const most = layer.candidates + 1
  if (layer.bytesRise) return lastWithin(layer.bytes, most, limit)
  // Bytes may fall where a block fills: what counts is the least of any count from n on.
  const least = new Float64Array(most + 1)
  for (let n = most, sofar = Infinity; n > 0; n--) least[n] = sofar = Math.min(sofar, layer.bytes(n))
  return lastWithin((n) => least[n]!, most, limit)
}

/**
 * A budget of real bytes. With equal shares every free layer gets as many tokens as fit in its share of the bytes:
 * exact. An allocator's share is memory by nominal bits, and the largest one is searched at which everything that it
 * hands out fits in real bytes.
 */
function shareBytes(draft: Draft, budget: number): Shares {
  const { layers } = draft
  const free = layers.filter((layer) => !layer.fixed)
  let rest = budget
  for (const layer of layers) if (layer.fixed) rest -= layer.bytes(fixedTokens(layer))
  if (rest < 0) return { tooMuch: layers.some(({ windowed }) => windowed) ? 'windows' : 'overrides' }
  const searched = free.length > 0 ? searchShares(draft, free, budget, rest) : undefined
  if (searched) return searched
  const equal = Math.floor(rest / Math.max(1, free.length))
  const known = new Map<string, number>()
  const tokensOf = (layer: LayerDraft) => {
    let tokens = known.get(layer.bytesKey)
    if (tokens === undefined) known.set(layer.bytesKey, (tokens = tokensWithin(layer, equal)))
    return tokens
  }
  return {
    asked: withOverrides(
      draft,
      layers.map((layer) => (layer.fixed ? 0 : tokensOf(layer))),
    ),
    equal: true,
  }
}

/** How far above the found share larger ones are tried: bytes do not rise evenly with tokens. */
const stepsBeyond = 48

/** Undefined where the allocator leaves equal shares. */
function searchShares(
  draft: Draft,
  free: readonly LayerDraft[],
  budget: number,
  rest: number,
): Shares | undefined {
  const { layers } = draft
  // One step is one token of the narrowest layers.
  const step = Math.min(...free.map((layer) => layer.bits))
  const asked = (steps: number) =>
    allocate(
      draft,
      layers.map((layer) => floor((steps * step) / layer.bits)),
      rest,
    )
  const fits = (counts: readonly AllocatedTokens[]) =>
    layers.reduce((sum, layer, l) => sum + layer.bytes(clampTokens(counts[l]!, layer.candidates)), 0) <=
    budget
  let low = 0
  let high = Math.max(...free.map((layer) => Math.ceil(((layer.candidates + 1) * layer.bits) / step)))
  const most = asked(high)
  if (most === undefined) return undefined
  if (fits(most)) return { asked: most, equal: false }
  // An allocator may hand out tokens whatever the shares are.
  const least = asked(low)
  if (least === undefined || !fits(least)) return { tooMuch: 'least allocation' }
  let best = least
  const attempt = (steps: number): boolean => {
    const counts = asked(steps)
    if (counts === undefined || !fits(counts)) return false
    best = counts
    return true
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (attempt(middle)) low = middle
    else high = middle
  }
  for (let steps = low + 2; steps <= low + stepsBeyond; steps++) attempt(steps)
  return { asked: best, equal: false }
}
