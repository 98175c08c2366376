import type { DraftMaker } from './draft.ts'

/** How the number of haystack units is found; fields say where the five scripts differ. */
export interface Sizing {
  /** draws a probe of the given size */
  readonly make: DraftMaker
  /** smallest size, and the step of the linear search and of the retreat when a sample does not fit */
  readonly increment: number
  /** tokens that prompt, reserve and answer may take */
  readonly budget: number
  /** tokens set aside for the answer and for what is put in front of the prompt */
  readonly reserve: number
  /** tokens of a text */
  readonly tokens: (text: string) => number
}

/** Extras of the current scripts. */
export interface SearchSizing extends Sizing {
  /** size of the first probe, from which tokens per unit are estimated */
  readonly probe: number
  /** upper end of the search from budget and tokens per unit */
  readonly estimate: (budget: number, tokensPerUnit: number) => number
  /** sizes above this cannot be drawn */
  readonly limit?: number
}

/** Extras of the scripts of 2024-04. */
export interface GrowthSizing extends Sizing {
  /** the answers as the sizing appends them to the prompt before it counts */
  readonly withAnswers: (text: string, answers: readonly string[]) => string
  /** largest size; checked before or after the step is added, as the script at hand does */
  readonly limit?: { readonly size: number; readonly checked: 'before-step' | 'after-step' }
}

/** Current scripts: binary search between `increment` and the estimate for the largest size that fits. */
export function searchSize(sizing: SearchSizing): number {
  const limit = sizing.limit ?? Infinity
  const draw = (units: number): number => sizing.tokens(sizing.make(Math.min(units, limit), 0).text)
  const tokensPerUnit = draw(sizing.probe) / Math.min(sizing.probe, limit)
  let low = sizing.increment
  let high = Math.min(limit, Math.max(sizing.estimate(sizing.budget, tokensPerUnit), sizing.increment * 2))
  let best = Math.min(limit, sizing.increment)
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    if (draw(middle) + sizing.reserve <= sizing.budget) {
      best = middle
      low = middle + 1
    } else high = middle - 1
  }
  return best
}

/** Scripts of 2024-04: add `increment` until prompt and answers exceed the budget, then one step back. */
export function growSize(sizing: GrowthSizing): number {
  const { increment, budget, reserve, limit } = sizing
  let size = increment
  let total = 0
  while (total + reserve < budget) {
    const draft = sizing.make(size, 0)
    total = sizing.tokens(sizing.withAnswers(draft.text, draft.answers))
    if (total + reserve > budget) return size - increment
    if (limit?.checked === 'before-step' && size > limit.size) return limit.size
    size += increment
    if (limit?.checked === 'after-step' && size > limit.size) return limit.size
  }
  return size
}

/** The estimate of most current scripts: three times what an even spread of tokens would allow. */
export function tripleEstimate(budget: number, tokensPerUnit: number): number {
  return Math.trunc((budget / tokensPerUnit) * 3)
}
