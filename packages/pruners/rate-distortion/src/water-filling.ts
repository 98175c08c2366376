import type { HeadChoice, HeadCurve } from './head-curve.ts'

/** Halvings of the price, each of a range that is about 2^-60 of the one before it. */
const HALVINGS = 60
/** Ratio of the highest to the lowest price that is tried. */
const RANGE = 1e24

/**
 * Shares a budget out over heads so that the sum of their distortions is small: one price for all of them, the lowest at
 * which what they choose fits (reverse water-filling), and then larger choices while they fit, the best gain for its rate
 * first. Undefined where not even the fewest tokens fit.
 */
export function waterFilling(heads: readonly HeadCurve[], budget: number): readonly HeadChoice[] | undefined {
  const rateOf = (choices: readonly HeadChoice[]) => choices.reduce((sum, { rate }) => sum + rate, 0)
  const highest = Math.max(...heads.map((head) => head.highest)) * 2
  let best = heads.map((head) => head.cheapest())
  if (rateOf(best) > budget) return undefined
  let [low, high] = [Math.log(highest / RANGE), Math.log(highest)]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2
    const choices = heads.map((head) => head.at(Math.exp(middle)))
    if (rateOf(choices) <= budget) {
      best = choices
      high = middle
    } else low = middle
  }
  return spendRest(heads, best, budget - rateOf(best))
}

/** A larger choice of a head and what it gains for its rate. */
interface Move {
  readonly head: number
  readonly choice: HeadChoice
  readonly rate: number
  readonly gain: number
}

function spendRest(heads: readonly HeadCurve[], start: readonly HeadChoice[], rest: number): HeadChoice[] {
  const choices = [...start]
  const movesOf = (head: number): Move[] =>
    heads[head]!.next(choices[head]!).map((choice) => {
      const rate = choice.rate - choices[head]!.rate
      const gained = choices[head]!.distortion - choice.distortion
      return { head, choice, rate, gain: rate <= 0 ? Infinity : gained / rate }
    })
  const moves = heads.map((_, head) => movesOf(head))
  for (let left = rest; ;) {
    let best: Move | undefined
    for (const move of moves.flat()) {
      const useful = move.rate <= left && choices[move.head]!.distortion > move.choice.distortion
      if (useful && (best === undefined || move.gain > best.gain)) best = move
    }
    if (best === undefined) return choices
    choices[best.head] = best.choice
    left -= best.rate
    moves[best.head] = movesOf(best.head)
  }
}
