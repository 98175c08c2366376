import {
  defineAllocator,
  number,
  oneOf,
  type AllocatedTokens,
  type Allocation,
  type AllocationLayer,
  type AllocationStorage,
} from '@qpkv/spec'
import { codeDistortion } from './code-distortion.ts'
import { HeadCurve } from './head-curve.ts'
import { waterFilling } from './water-filling.ts'
import { sortedImportance } from './sorted-importance.ts'

/**
 * Tokens, and where a spec leaves the shares of its tiers open their widths too, by least distortion at the budget: a
 * token's score to a power, times the error of its width, which is 1 where it is dropped; over the heads of all layers at
 * one price. docs/rate-distortion.md derives it.
 */
export const rateDistortion = defineAllocator({
  name: 'rate-distortion',
  paper: 'https://arxiv.org/abs/2605.08317',
  options: {
    power: number({
      default: 2,
      min: 0.01,
      max: 16,
      doc: 'A token is worth its score to this power; 2 where the score is a share of attention.',
    }),
    across: oneOf(['model', 'layer', 'head'], {
      default: 'model',
      doc: 'Who shares: all heads, those of a layer (equal budgets for layers), or nobody (equal budgets for heads). Scores must be comparable there.',
    }),
  },
  countsTiers: true,
  measure: (_, { score, last }) => score && { score, last },
  allocate: ({ power, across }, at) => {
    const free = at.layers.flatMap((layer, l) => (layer.fixed ? [] : [{ layer, l }]))
    if (free.some(({ layer }) => !layer.storage || !layer.measured || layer.measured.length === 0))
      return undefined
    const allocated: AllocatedTokens[] = at.layers.map(({ capacity }) => Math.floor(capacity))
    const heads = free.map(({ layer, l }) => headsOf(layer, l, power, at))
    const groups =
      across === 'model' ? [heads.flat()] : across === 'layer' ? heads : heads.flat().map((head) => [head])
    const budget = budgetOf(
      free.map(({ layer }) => layer),
      at,
    )
    const choices = groups.map((group) =>
      waterFilling(
        group.map(({ curve }) => curve),
        (budget * group.length) / heads.flat().length,
      ),
    )
    // A budget that does not even fill the exact segments is shared out evenly.
    if (choices.includes(undefined)) return undefined
    const chosen = groups.flatMap((group, g) =>
      group.map(({ l, exact }, i) => ({ l, exact, counts: choices[g]![i]!.counts })),
    )
    for (const { l } of free) {
      const own = chosen.filter((head) => head.l === l)
      allocated[l] = {
        perHead: own.map(({ exact, counts }) => exact + counts.reduce((sum, n) => sum + n, 0)),
        tiers: own[0]!.counts.slice(0, -1).map((_, tier) => own.map(({ counts }) => counts[tier]!)),
      }
    }
    return allocated
  },
})

interface Head {
  readonly l: number
  /** Tokens in exact segments. */
  readonly exact: number
  readonly curve: HeadCurve
}

function headsOf(layer: AllocationLayer, l: number, power: number, at: Allocation): Head[] {
  const { candidates, protected: kept } = layer
  const storage = layer.storage!
  const exact = Math.min(storage.exact, candidates)
  const rateOf = rateFunction(layer, storage, exact, at)
  const long = 128 * Math.ceil(candidates / 128)
  const slopes = storage.widths.map((_, tier) => {
    const only = (tokens: number) => storage.widths.map((__, k) => (k === tier ? tokens : 0))
    return (rateOf(only(2 * long)) - rateOf(only(long))) / long
  })
  return sortedImportance(layer, at.storedHeads, power, at.prompt.tokens).map((importance) => ({
    l,
    exact,
    curve: new HeadCurve({
      importance,
      errors: storage.widths.map(codeDistortion),
      reserved: Math.max(0, candidates - importance.sorted.length - exact),
      least: Math.max(kept - exact, exact === 0 ? 1 : 0),
      most: candidates - exact,
      rateOf,
      slopes,
    }),
  }))
}

/** What a head takes of the budget: real bytes, or what its tokens cost. */
function rateFunction(
  { cost }: AllocationLayer,
  { widths, headBytes }: AllocationStorage,
  exact: number,
  { bytes }: Allocation,
): (counts: readonly number[]) => number {
  const sum = (counts: readonly number[]) => counts.reduce((all, n) => all + n, 0)
  if (bytes !== undefined) return (counts) => headBytes(exact + sum(counts), counts.slice(0, -1))
  if (cost === 1) return (counts) => exact + sum(counts)
  return (counts) => counts.reduce((all, n, k) => all + n * widths[k]!, exact * widths.at(-1)!)
}

/** Of all heads of free layers. */
const budgetOf = (free: readonly AllocationLayer[], { bytes, storedHeads }: Allocation): number =>
  bytes === undefined
    ? free.reduce((sum, { capacity, cost }) => sum + capacity * cost * storedHeads, 0)
    : bytes - free.reduce((sum, { storage }) => sum + storage!.fixedBytes, 0)
