import type { Tokenizer } from '@qpkv/core'
import { sentence, WorldRandom } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { Excerpt } from './plan-case.ts'

/** Tokens of the text behind a prompt that are judged, and the one that is given. */
const FOLLOW = 33

export interface ExcerptOptions {
  /** The user's text; left out: sentences of the bundled model's world. */
  readonly text?: string | undefined
  readonly tokens: number
  /** Excerpts to choose by, and excerpts to judge by; the two share no token. */
  readonly counts: readonly [number, number]
  /** Tokens behind each that follow; the first of them is given. */
  readonly follow?: number
  readonly seed: number
}

/**
 * Excerpts of a text: those to choose by from its beginning, those to judge by from its end, each spread evenly over its part; within a part they
 * overlap where the text is short.
 * @throws KV_DATA for a text without room for one of each
 */
export function cutExcerpts(
  tokenizer: Tokenizer,
  { text, tokens, counts, seed, follow = FOLLOW }: ExcerptOptions,
): [Excerpt[], Excerpt[]] {
  const size = tokens + follow
  const count = counts[0] + counts[1]
  const source = text ?? worldText(seed, count * size, tokenizer)
  const ids = Int32Array.from(tokenizer.encode(source, { special: false }))
  if (ids.length < 2 * size)
    throw new KvError(
      'KV_DATA',
      `The text has ${ids.length} tokens; measuring at ${tokens} needs ${2 * size}, one half to choose by and one to judge by.`,
      {
        hint: `Give a longer text, or measure at ${Math.max(1, Math.floor(ids.length / 2) - follow)} tokens or less.`,
      },
    )
  const split = Math.min(ids.length - size, Math.max(size, Math.floor((ids.length * counts[0]) / count)))
  const cut = (part: Int32Array, many: number, first: number): Excerpt[] => {
    const step = (part.length - size) / Math.max(1, many - 1)
    return Array.from({ length: many }, (_, i) => {
      const from = Math.floor(i * step)
      return { ids: part.subarray(from, from + size), tokens, seed: seed * 1000 + first + i }
    })
  }
  return [cut(ids.subarray(0, split), counts[0], 0), cut(ids.subarray(split), counts[1], counts[0])]
}

function worldText(seed: number, tokens: number, tokenizer: Tokenizer): string {
  const random = new WorldRandom(`plan/${seed}`)
  const parts: string[] = []
  for (let count = 0; count < tokens;) {
    const next = ` ${sentence(random)}`
    parts.push(next)
    count += tokenizer.encode(next, { special: false }).length
  }
  return parts.join('')
}
