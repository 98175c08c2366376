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
 * Places of each layer beside the window, whose sum is `total`, in proportion to the layers' preferences and at most
 * `most` in each. What a layer cannot take is spread evenly over those that can take more, what does not divide evenly
 * goes to the first of them. `once`: as the released code does it, in two rounds, so that what the second hands out beyond
 * `most` is lost.
 */
export function layerBudgets(
  preferences: readonly number[],
  total: number,
  most: number,
  once = false,
): number[] {
  const sum = preferences.reduce((all, x) => all + x, 0)
  const share = (x: number) => (sum > 0 ? (x / sum) * total : total / preferences.length)
  const wanted = preferences.map((x) => Math.trunc(share(x)))
  const budgets = wanted.map((n) => Math.min(n, most))
  const excess = wanted.reduce((all, n, l) => all + n - budgets[l]!, 0)
  handOut(budgets, excess, most)
  for (let round = 0; ; round++) {
    const left = total - budgets.reduce((all, n) => all + (once ? n : Math.min(n, most)), 0)
    if (left <= 0 || (once && round > 0) || budgets.every((n) => n >= most)) break
    if (!once) for (const [l, n] of budgets.entries()) budgets[l] = Math.min(n, most)
    handOut(budgets, left, most)
  }
  return budgets.map((n) => Math.min(n, most))
}

/** Spreads places over the layers that have less than `most`, which they may exceed by it. */
function handOut(budgets: number[], places: number, most: number): void {
  const open = [...budgets.keys()].filter((l) => budgets[l]! < most)
  if (places <= 0 || open.length === 0) return
  const each = Math.floor(places / open.length)
  for (const [i, l] of open.entries()) budgets[l]! += each + (i < places % open.length ? 1 : 0)
}
