import type { SortedImportance } from './sorted-importance.ts'

/** Slots of a block: parts are laid out in whole ones. */
const BLOCK = 16

/** How many tokens a head keeps and in which tiers, and what that costs. */
export interface HeadChoice {
  /** Packed tokens in each tier, the widest first. */
  readonly counts: readonly number[]
  readonly rate: number
  /** Sum of worth x relative error over all tokens of the head, dropped ones included. */
  readonly distortion: number
}

/** A head's tokens, and what storing them costs. */
export interface HeadFacts {
  readonly importance: SortedImportance
  /** Relative squared error of each tier, the widest first. */
  readonly errors: readonly number[]
  /** Packed tokens that are protected: they come first, whatever they are worth. */
  readonly reserved: number
  /** Packed tokens at least and at most. */
  readonly least: number
  readonly most: number
  /** What a choice takes of the budget. */
  readonly rateOf: (counts: readonly number[]) => number
  /** What one more token of each tier takes in the long run. */
  readonly slopes: readonly number[]
}

/** What each way of storing a head's tokens costs and loses. */
export class HeadCurve {
  private readonly facts: HeadFacts
  /** Tiers on the lower convex hull of (rate, error), the narrowest first, with the worth at which each begins at a price of 1. */
  private readonly steps: readonly { readonly tier: number; readonly from: number }[]

  constructor(facts: HeadFacts) {
    this.facts = facts
    this.steps = hullOf(facts)
  }

  /** Of the prices at which a token's place in a tier is bought, the highest that matters. */
  get highest(): number {
    return (this.facts.importance.sorted[0] ?? 0) / Math.min(...this.steps.map(({ from }) => from))
  }

  /** The fewest tokens, in the narrowest tier. */
  cheapest(): HeadChoice {
    return this.choose(
      this.facts.errors.map((_, tier, all) => (tier === all.length - 1 ? this.facts.least : 0)),
    )
  }

  /**
   * What is least in distortion + price * rate: a token lies in the widest tier whose step is worth its price, and each
   * tier's tokens are moved to the edge of a block where that is better.
   */
  at(price: number): HeadChoice {
    const { errors, least, most, reserved } = this.facts
    const ends = errors.map(() => 0)
    for (const { tier, from } of this.steps) {
      const end = Math.min(most, reserved + this.tokensAtLeast(price * from))
      for (let k = tier; k < ends.length; k++) ends[k] = Math.max(ends[k]!, end)
    }
    // From the narrowest on every wider tier ends earlier.
    for (let k = ends.length - 2; k >= 0; k--) ends[k] = Math.min(ends[k]!, ends[k + 1]!)
    ends[ends.length - 1] = Math.max(ends.at(-1)!, least)
    let best = this.choose(countsOf(ends))
    const cost = ({ distortion, rate }: HeadChoice) => distortion + price * rate
    for (let tier = 0; tier < ends.length; tier++)
      for (const count of new Set([floorTo(best.counts[tier]!), ceilTo(best.counts[tier]!)])) {
        const moved = this.moved(best.counts, tier, count)
        if (moved && cost(moved) < cost(best)) best = moved
      }
    return best
  }

  /** Larger choices that are near: another block of tokens in one tier, or moved there from the next narrower one. */
  next({ counts }: HeadChoice): readonly HeadChoice[] {
    const larger: HeadChoice[] = []
    for (let tier = 0; tier < counts.length; tier++) {
      const more = floorTo(counts[tier]! + BLOCK)
      const added = this.moved(counts, tier, more)
      if (added) larger.push(added)
      if (tier === counts.length - 1) continue
      const promoted = Math.min(more - counts[tier]!, counts[tier + 1]!)
      if (promoted > 0)
        larger.push(
          this.choose(counts.map((n, k) => (k === tier ? n + promoted : k === tier + 1 ? n - promoted : n))),
        )
    }
    return larger
  }

  /** With `count` tokens in one tier, the others as they are; undefined where that is too many or too few together. */
  private moved(counts: readonly number[], tier: number, count: number): HeadChoice | undefined {
    const changed = counts.map((n, k) => (k === tier ? count : n))
    const { least, most } = this.facts
    const over = changed.reduce((sum, n) => sum + n, 0) - most
    // The last block of all may be short.
    if (over > 0 && over < BLOCK) changed[tier] = count - over
    const all = changed.reduce((sum, n) => sum + n, 0)
    return all > most || all < least || changed[tier]! < 0 ? undefined : this.choose(changed)
  }

  private choose(counts: readonly number[]): HeadChoice {
    const { importance, errors, reserved, rateOf } = this.facts
    const sumTo = (packed: number) =>
      importance.sums[Math.min(Math.max(0, packed - reserved), importance.sorted.length)]!
    let end = 0
    let distortion = importance.sums.at(-1)!
    for (const [tier, count] of counts.entries()) {
      distortion -= (1 - errors[tier]!) * (sumTo(end + count) - sumTo(end))
      end += count
    }
    return { counts, rate: rateOf(counts), distortion }
  }

  private tokensAtLeast(least: number): number {
    const { sorted } = this.facts.importance
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sorted[middle]! >= least) low = middle + 1
      else high = middle
    }
    return low
  }
}

const countsOf = (ends: readonly number[]) => ends.map((end, k) => end - (ends[k - 1] ?? 0))
const floorTo = (count: number) => Math.floor(count / BLOCK) * BLOCK
const ceilTo = (count: number) => Math.ceil(count / BLOCK) * BLOCK

/** From dropped (rate 0, error 1) along the steepest descents. */
function hullOf({ errors, slopes }: HeadFacts): { tier: number; from: number }[] {
  const steps: { tier: number; from: number }[] = []
  let at = { rate: 0, error: 1 }
  for (;;) {
    let best: { tier: number; from: number } | undefined
    for (const [tier, error] of errors.entries()) {
      if (error >= at.error) continue
      // A tier that costs no more is better at any price.
      const from = Math.max(0, slopes[tier]! - at.rate) / (at.error - error)
      if (best === undefined || from < best.from) best = { tier, from }
    }
    if (best === undefined) return steps
    steps.push(best)
    at = { rate: slopes[best.tier]!, error: errors[best.tier]! }
  }
}
