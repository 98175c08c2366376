/** What a layer's budget is worked out from. */
export interface LayerPreference {
  /** Spread of the attention over the keys: the sum of its entropies. */
  readonly entropy: number
  /** Change of the attention over the queries: the sum of its variances. */
  readonly variance: number
}

/** entropy^(1/tau1) * variance^(1/tau2). */
export const preferenceOf = ({ entropy, variance }: LayerPreference, tau1: number, tau2: number): number =>
  Math.max(0, entropy) ** (1 / tau1) * Math.max(0, variance) ** (1 / tau2)

/**
 * Slots of each layer beside the window, whose sum is `total`, in proportion to the layers' preferences and at most
 * `most` in each, or each its own. What a layer cannot take is spread evenly over those that can take more, what does not
 * divide evenly goes to the first of them. `once`: as the released code does it, in two rounds, so that what the second hands out beyond
 * `most` is lost.
 */
export function layerBudgets(
  preferences: readonly number[],
  total: number,
  most: number | readonly number[],
  once = false,
): number[] {
  const limits = typeof most === 'number' ? preferences.map(() => most) : most
  const limited = (slots: readonly number[]) => slots.map((n, l) => Math.min(n, limits[l]!))
  const sum = preferences.reduce((all, x) => all + x, 0)
  const share = (x: number) => (sum > 0 ? (x / sum) * total : total / preferences.length)
  const wanted = preferences.map((x) => Math.trunc(share(x)))
  let budgets = limited(wanted)
  const excess = wanted.reduce((all, n, l) => all + n - budgets[l]!, 0)
  handOut(budgets, excess, limits)
  for (let round = 0; ; round++) {
    const counted = once ? budgets : limited(budgets)
    const left = total - counted.reduce((all, n) => all + n, 0)
    if (left < 1 || (once && round > 0) || budgets.every((n, l) => n >= limits[l]!)) break
    if (!once) budgets = counted
    handOut(budgets, left, limits)
  }
  return limited(budgets)
}

/** Spreads slots over the layers that have less than their limit, which they may exceed by it. */
function handOut(budgets: number[], slots: number, limits: readonly number[]): void {
  const open = [...budgets.keys()].filter((l) => budgets[l]! < limits[l]!)
  if (slots <= 0 || open.length === 0) return
  const each = Math.floor(slots / open.length)
  for (const [i, l] of open.entries()) budgets[l]! += each + (i < slots % open.length ? 1 : 0)
}
