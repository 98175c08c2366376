import { expected } from '../errors.ts'
import type { ModelFacts } from '../facts.ts'
import { isPlainObject } from '../json.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { budgetKinds, type BudgetKind, type BudgetName, type FullCache } from './budget-kinds.ts'

/**
 * What the layers may keep on average at the end of prefill, per stored head:
 * `tokens` entries; `fp16Tokens` the memory of that many 16-bit entries by nominal bits; `fraction` a share of the prompt's
 * entries, in (0, 1]; `bytes` real bytes of the whole cache, a number or a text such as '256MiB'; `byteFraction` real bytes as a
 * share of the prompt's whole cache at 16 bit, in (0, 1].
 */
export type Budget =
  | { readonly tokens: number }
  | { readonly fp16Tokens: number }
  | { readonly fraction: number }
  | { readonly bytes: number | string }
  | { readonly byteFraction: number }

const names = Object.keys(budgetKinds) as BudgetName[]

/** Throws KV_INVALID_SPEC unless `value` is one of these kinds; `bytes` become a number. */
export function checkBudget(value: unknown, path = 'budget'): Budget {
  const what = `one of ${names.map((name) => `{ ${name} }`).join(', ')}`
  if (!isPlainObject(value)) throw expected(what, path, value, 'KV_INVALID_SPEC')
  refuseUnknown(value, names, path, 'KV_INVALID_SPEC', 'field')
  const given = Object.keys(value).filter((key) => value[key] !== undefined)
  const name = names.find((known) => known === given[0])
  if (given.length !== 1 || name === undefined) throw expected(what, path, value, 'KV_INVALID_SPEC')
  const amount = budgetKinds[name].read(value[name])
  if (amount === undefined)
    throw expected(budgetKinds[name].accepts, `${path}.${name}`, value[name], 'KV_INVALID_SPEC')
  return { [name]: amount } as unknown as Budget
}

/** A budget's kind and its amount in that kind's canonical form. */
export function readBudget(budget: Budget): { name: BudgetName; kind: BudgetKind; amount: number } {
  const [[name, amount]] = Object.entries(checkBudget(budget)) as [[BudgetName, number]]
  return { name, kind: budgetKinds[name], amount }
}

/** The prompt's whole cache at 16 bit per value and KV head: what shares are shares of. */
export const fullCache = (
  { layers, kvHeads, headDim }: Pick<ModelFacts, 'layers' | 'kvHeads' | 'headDim'>,
  tokens: number,
): FullCache => ({ tokens, bytes: tokens * layers * kvHeads * headDim * 2 * 2 })

/** Bytes of a `bytes` budget: 131072, or '128KiB', '1.5MiB', '2GiB'; NaN for anything else. */
export const budgetBytes = (bytes: number | string): number => budgetKinds.bytes.read(bytes) ?? NaN

/** A number of bytes for people, exact beside the rounded form. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const)
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`
  return `${bytes} bytes`
}
