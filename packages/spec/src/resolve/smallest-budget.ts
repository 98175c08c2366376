import { fullCache, readBudget, type Budget } from '../spec/budget.ts'
import type { Draft } from './draft.ts'

/** The smallest budget of the same kind that works, for the message of KV_BUDGET_TOO_SMALL; undefined where none does. */
export function smallestBudget(draft: Draft, works: (budget: Budget) => boolean): Budget | undefined {
  if (draft.budget === undefined) return undefined
  const { name, kind } = readBudget(draft.budget)
  const { tokens } = draft.prompt
  const full = fullCache(draft.model, tokens)
  const make = (n: number) => ({ [name]: kind.nth(n, full) }) as unknown as Budget
  let high =
    kind.measure === 'bytes'
      ? draft.layers.reduce((sum, layer) => sum + fullBytes(layer.candidates, layer.bytes), 0)
      : tokens
  // With overridden layers beyond the average, the rest needs a higher average.
  if (kind.measure !== 'bytes' && kind.nth(2 * high, full) > kind.nth(high, full)) high *= 2
  if (!works(make(high))) return undefined
  let low = 0
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (works(make(middle))) high = middle
    else low = middle
  }
  return make(high)
}

/** A layer may be cheaper full than with one token less, see the block rule. */
const fullBytes = (candidates: number, bytes: (tokens: number) => number) =>
  Math.max(bytes(candidates), bytes(Math.max(1, candidates - 1)), bytes(candidates + 1))
