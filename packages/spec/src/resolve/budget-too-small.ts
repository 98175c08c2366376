import { formatBytes, fullCache, readBudget, type Budget } from '../spec/budget.ts'
import { KvError } from '../errors.ts'
import type { Draft, LayerDraft } from './draft.ts'
import type { TooMuch } from './share-budget.ts'
import { smallestBudget } from './smallest-budget.ts'

/** Why a budget is too small: a layer's protected tokens do not fit into its share, or something exceeds the budget by itself. */
export type Shortfall =
  | { readonly layer: LayerDraft; readonly tokens: number; readonly needed: number }
  | { readonly tooMuch: TooMuch }

/** KV_BUDGET_TOO_SMALL for what is short; `works` tries other budgets, so that the message can name one. */
export function budgetTooSmall(draft: Draft, short: Shortfall, works: (budget: Budget) => boolean): KvError {
  const { pruner } = draft.methods.names
  if ('layer' in short && short.layer.fixed) {
    const { layer, tokens, needed } = short
    const { path } = short.layer.fixed
    return new KvError(
      'KV_BUDGET_TOO_SMALL',
      `${path} gives layer ${layer.layer} ${tokens} tokens per head, but ${pruner} must keep at least ${needed} there.`,
      { hint: `Set ${path} to ${needed} or more, or make the protected windows smaller.` },
    )
  }
  const least = smallestBudget(draft, works)
  const text = (budget: Budget) => budgetText(budget, draft)
  const unpruned = pruner === 'none' && draft.methods.names.allocator === 'none'
  return new KvError(
    'KV_BUDGET_TOO_SMALL',
    `The budget ${draft.budget ? text(draft.budget) : ''} ${whatIsShort(draft, short)}${unpruned ? '; a budget needs a pruner' : ''}.`,
    {
      hint: least
        ? `The smallest that works is ${text(least)}; or ${unpruned ? 'choose a pruner, such as snapkv' : 'make the protected windows smaller'}.`
        : 'No budget of this kind works for this prompt; lower the tokens of the overridden layers.',
    },
  )
}

/** `1%`, or `2%B (81.92 KiB)`. */
function budgetText(budget: Budget, { model, prompt }: Draft): string {
  const { kind, amount } = readBudget(budget)
  const bytes = kind.measure === 'bytes' ? kind.amount(amount, fullCache(model, prompt.tokens)) : undefined
  const text = kind.print(amount)
  const exact = bytes === undefined ? undefined : formatBytes(bytes)
  return exact === undefined || exact.replace(' ', '') === text ? text : `${text} (${exact})`
}

function whatIsShort({ methods, prompt }: Draft, short: Shortfall): string {
  const { pruner, allocator } = methods.names
  if ('layer' in short)
    return `gives layer ${short.layer.layer} ${short.tokens} tokens per head, but ${pruner} must keep at least ${short.needed} of the prompt's ${prompt.tokens}`
  if (short.tooMuch === 'overrides') return 'is less than what the overridden layers take'
  if (short.tooMuch === 'windows')
    return 'is less than what the layers with a sliding window keep (and overridden layers take)'
  return `is less than the least that ${allocator} hands out to the layers`
}
