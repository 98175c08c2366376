import { budgetBytes } from '../spec/budget.ts'
import { KvError } from '../errors.ts'
import type { Budget } from '../spec/budget.ts'
import type { Desk, LayerDesk } from './resolve-desk.ts'

/** Rounding down that forgives the last bits of a division: 0.29 * 100 is 29. */
const floor = (value: number) => Math.floor(value + 1e-9)

/** Tokens per layer that the pruner wants; may exceed the prompt. `tooMuch`: what exceeds the budget whatever the shares are. */
export type Shares =
  { readonly asked: readonly number[] } | { readonly tooMuch: 'overrides' | 'least allocation' }

const fixedTokens = (layer: LayerDesk) => Math.min(layer.fixed!.tokens, layer.candidates)

/** Steps 2 and 3 of resolve(): the budget becomes tokens, overridden layers are set, the pruner shares out the rest. */
export function shareBudget(desk: Desk, budget: Budget | undefined): Shares {
  const { layers, prompt } = desk
  if (budget === undefined)
    return {
      asked: allocate(
        desk,
        layers.map(() => prompt.tokens),
      ),
    }
  if ('bytes' in budget) return shareBytes(desk, budgetBytes(budget.bytes))
  const free = layers.filter((layer) => !layer.fixed)
  const memory = 'fp16Tokens' in budget
  const cost = (layer: LayerDesk) => (memory ? layer.bits : 1)
  const perLayer =
    'tokens' in budget ? budget.tokens : memory ? budget.fp16Tokens * 16 : budget.fraction * prompt.tokens
  let rest = perLayer * layers.length
  for (const layer of layers) if (layer.fixed) rest -= fixedTokens(layer) * cost(layer)
  if (rest < -1e-9) return { tooMuch: 'overrides' }
  // Equal memory for every layer that is left, so that a layer with fewer bits keeps more tokens.
  return {
    asked: allocate(
      desk,
      layers.map((layer) => floor(rest / Math.max(1, free.length) / cost(layer))),
    ),
  }
}

/** The pruner's tokens per layer, overridden layers set. `capacities` of free layers are their equal shares. */
function allocate(desk: Desk, capacities: readonly number[]): number[] {
  const { pruner, prunerName, model, prompt, budget, layers } = desk
  const settled = layers.map((layer, l) => (layer.fixed ? layer.fixed.tokens : capacities[l]!))
  if (!pruner.allocate) return settled
  const asked = pruner.allocate({
    model,
    prompt,
    budget,
    layers: layers.map((layer, l) => ({
      bits: layer.bits,
      cost: budget !== undefined && ('fp16Tokens' in budget || 'bytes' in budget) ? layer.bits : 1,
      capacity: settled[l]!,
      candidates: layer.candidates,
      fixed: layer.fixed !== undefined,
    })),
  })
  if (asked.length !== layers.length || asked.some((n) => !Number.isSafeInteger(n) || n < 0))
    throw new KvError(
      'KV_METHOD',
      `${prunerName}.allocate() returned ${JSON.stringify(asked).slice(0, 120)}; expected ${layers.length} whole numbers from 0.`,
    )
  return asked.map((n, l) => (layers[l]!.fixed ? settled[l]! : n))
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
function tokensWithin(layer: LayerDesk, limit: number): number {
  const most = layer.candidates + 1
  if (layer.bytesRise) return lastWithin(layer.bytes, most, limit)
  // Bytes may fall where a block fills: what counts is the least of any count from n on.
  const least = new Float64Array(most + 1)
  for (let n = most, sofar = Infinity; n > 0; n--) least[n] = sofar = Math.min(sofar, layer.bytes(n))
  return lastWithin((n) => least[n]!, most, limit)
}

/**
 * A budget of real bytes. Without `allocate` every free layer gets an equal share of the bytes and as many tokens
 * as fit: exact. With it, the share is memory by nominal bits, and the largest one is searched at which
 * everything that the pruner hands out fits in real bytes.
 */
function shareBytes(desk: Desk, budget: number): Shares {
  const { layers, pruner } = desk
  const free = layers.filter((layer) => !layer.fixed)
  let rest = budget
  for (const layer of layers) if (layer.fixed) rest -= layer.bytes(fixedTokens(layer))
  if (rest < 0) return { tooMuch: 'overrides' }
  if (pruner.allocate && free.length > 0) return searchShares(desk, free, budget)
  const equal = Math.floor(rest / Math.max(1, free.length))
  const known = new Map<string, number>()
  const tokensOf = (layer: LayerDesk) => {
    let tokens = known.get(layer.bytesKey)
    if (tokens === undefined) known.set(layer.bytesKey, (tokens = tokensWithin(layer, equal)))
    return tokens
  }
  return {
    asked: allocate(
      desk,
      layers.map((layer) => (layer.fixed ? 0 : tokensOf(layer))),
    ),
  }
}

/** How far above the found share larger ones are tried: bytes do not rise evenly with tokens. */
const stepsBeyond = 48

function searchShares(desk: Desk, free: readonly LayerDesk[], budget: number): Shares {
  const { layers } = desk
  // One step is one token of the narrowest layers.
  const step = Math.min(...free.map((layer) => layer.bits))
  const asked = (steps: number) =>
    allocate(
      desk,
      layers.map((layer) => floor((steps * step) / layer.bits)),
    )
  const fits = (counts: readonly number[]) =>
    layers.reduce((sum, layer, l) => sum + layer.bytes(Math.min(counts[l]!, layer.candidates)), 0) <= budget
  let low = 0
  let high = Math.max(...free.map((layer) => Math.ceil(((layer.candidates + 1) * layer.bits) / step)))
  const most = asked(high)
  if (fits(most)) return { asked: most }
  // A pruner may hand out tokens whatever the shares are.
  if (!fits(asked(low))) return { tooMuch: 'least allocation' }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(asked(middle))) low = middle
    else high = middle
  }
  let best = asked(low)
  for (let steps = low + 2; steps <= low + stepsBeyond; steps++) {
    const next = asked(steps)
    if (fits(next)) best = next
  }
  return { asked: best }
}
