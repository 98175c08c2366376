import { budgetKind, type Budget } from '../spec/budget.ts'
import type { Desk } from './resolve-desk.ts'

/** The smallest budget of the same kind that works, for the message of KV_BUDGET_TOO_SMALL; undefined where none does. */
export function smallestBudget(desk: Desk, works: (budget: Budget) => boolean): Budget | undefined {
  if (desk.budget === undefined) return undefined
  const make = budgetOf[budgetKind(desk.budget)]
  const { tokens } = desk.prompt
  let high =
    'bytes' in desk.budget
      ? desk.layers.reduce((sum, layer) => sum + fullBytes(layer.candidates, layer.bytes), 0)
      : tokens
  // With overridden layers beyond the average, the rest needs a higher average.
  if (!('bytes' in desk.budget || 'fraction' in desk.budget)) high *= 2
  if (!works(make(high, tokens))) return undefined
  let low = 0
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (works(make(middle, tokens))) high = middle
    else low = middle
  }
  return make(high, tokens)
}

/** A layer may be cheaper full than with one token less, see the KIVI rule. */
const fullBytes = (candidates: number, bytes: (tokens: number) => number) =>
  Math.max(bytes(candidates), bytes(Math.max(1, candidates - 1)), bytes(candidates + 1))

const budgetOf = {
  tokens: (amount: number) => ({ tokens: amount }),
  fp16Tokens: (amount: number) => ({ fp16Tokens: amount }),
  // Rounded up to a hundredth of a per cent, so that the text is short and still works.
  fraction: (amount: number, promptTokens: number) => ({
    fraction: Math.min(1, Math.ceil((amount / promptTokens) * 1e4) / 1e4),
  }),
  bytes: (amount: number) => ({ bytes: amount }),
}
