import { KvError } from '../errors.ts'
import type { Budget } from '../spec/budget.ts'
import { budgetKinds } from '../spec/budget-kinds.ts'

/** `128t`, `64x16`, `25%`, `128KiB`, `2%B`, the value of --budget. Throws KV_INVALID_SPEC. */
export function parseBudgetText(text: string): Budget {
  for (const [name, kind] of Object.entries(budgetKinds)) {
    const amount = kind.parse(text)
    if (amount !== undefined) return { [name]: amount } as unknown as Budget
  }
  throw new KvError('KV_INVALID_SPEC', `"${text}" is not a budget.`, {
    hint: 'Write 128t (entries), 64x16 (the memory of 64 16-bit entries), 25% (of the prompt), 128KiB (real bytes) or 2%B (of the full cache in bytes).',
  })
}
