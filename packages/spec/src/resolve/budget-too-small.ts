import { budgetBytes, formatBytes, type Budget } from '../spec/budget.ts'
import { KvError } from '../errors.ts'
import type { Desk, LayerDesk } from './resolve-desk.ts'
import { smallestBudget } from './smallest-budget.ts'

/** Why a budget is too small: a layer's protected tokens do not fit into its share, or something exceeds the budget by itself. */
export type Shortfall =
  | { readonly layer: LayerDesk; readonly tokens: number; readonly needed: number }
  | { readonly tooMuch: 'overrides' | 'least allocation' }

/** KV_BUDGET_TOO_SMALL for what is short; `works` tries other budgets, so that the message can name one. */
export function budgetTooSmall(desk: Desk, short: Shortfall, works: (budget: Budget) => boolean): KvError {
  if ('layer' in short && short.layer.fixed) {
    const { layer, tokens, needed } = short
    const { path } = short.layer.fixed
    return new KvError(
      'KV_BUDGET_TOO_SMALL',
      `${path} gives layer ${layer.layer} ${tokens} tokens per head, but ${desk.prunerName} must keep at least ${needed} there.`,
      { hint: `Set ${path} to ${needed} or more, or make the protected windows smaller.` },
    )
  }
  const least = smallestBudget(desk, works)
  return new KvError(
    'KV_BUDGET_TOO_SMALL',
    `The budget ${JSON.stringify(desk.budget ?? {})} ${whatIsShort(desk, short)}.`,
    {
      hint: least
        ? `The smallest that works is ${JSON.stringify(least)}${'bytes' in least ? ` (${formatBytes(budgetBytes(least.bytes))})` : ''}; or make the protected windows smaller.`
        : 'No budget of this kind works for this prompt; lower the tokens of the overridden layers.',
    },
  )
}

function whatIsShort({ prunerName, prompt }: Desk, short: Shortfall): string {
  if ('layer' in short)
    return `gives layer ${short.layer.layer} ${short.tokens} tokens per head, but ${prunerName} must keep at least ${short.needed} of the prompt's ${prompt.tokens}`
  return short.tooMuch === 'overrides'
    ? 'is less than what the overridden layers take'
    : `is less than the least that ${prunerName} hands out to the layers`
}
