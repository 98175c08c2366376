import { KvError } from '@qpkv/spec'
import { FailedDraw, type Draft, type DraftMaker } from './draft.ts'

/** A draft that fits, with its length in tokens (prompt, reserve and answer). */
export interface FittedDraft extends Draft {
  readonly length: number
}

export interface Fit {
  readonly make: DraftMaker
  readonly size: number
  readonly increment: number
  readonly budget: number
  /** length of a draft in tokens, answer included */
  readonly lengthOf: (text: string) => number
  /** whether a draft that is too long is followed by a smaller one (the 2024 chains are drawn again as large) */
  readonly retreat: boolean
}

/** After so many failures at the smallest size the original would loop for ever. */
const TRIES_AT_SMALLEST = 50

/** Draws until a sample fits, each time `increment` units smaller, never below `increment`. */
export function fitSample(fit: Fit, index: number): FittedDraft {
  let size = fit.size
  let shortest = Infinity
  let failure: unknown
  for (let tries = 0; tries < TRIES_AT_SMALLEST;) {
    try {
      const draft = fit.make(size, index)
      const length = fit.lengthOf(draft.text)
      if (length <= fit.budget) return { ...draft, length }
      shortest = Math.min(shortest, length)
    } catch (error) {
      if (!(error instanceof FailedDraw)) throw error
      failure = error
    }
    if (fit.retreat && size > fit.increment) size -= fit.increment
    else tries += 1
  }
  const reason = shortest === Infinity ? String(failure) : `the shortest draw has ${shortest} tokens`
  throw new KvError(
    'KV_INVALID_OPTION',
    `No sample of at most ${fit.budget} tokens could be drawn: ${reason}.`,
    {
      hint: 'Ask for a greater length, or for fewer new tokens.',
      cause: failure,
    },
  )
}
