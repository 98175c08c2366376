import type { Tokenizer } from '@qpkv/core'
import { sentence, WorldRandom } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { Stretch } from './plan-case.ts'

/** Tokens of the text behind a prompt that are judged, and the one that is given. */
const FOLLOW = 33

export interface StretchOptions {
  /** The user's text; left out: sentences of the bundled model's world. */
  readonly text?: string | undefined
  readonly tokens: number
  readonly count: number
  readonly seed: number
}

/** `count` stretches of a text, spread evenly over it in order; they overlap where it is short. @throws KV_DATA */
export function cutStretches(tokenizer: Tokenizer, { text, tokens, count, seed }: StretchOptions): Stretch[] {
  const size = tokens + FOLLOW
  const source = text ?? worldText(seed, count * size, tokenizer)
  const ids = Int32Array.from(tokenizer.encode(source, { special: false }))
  if (ids.length < size)
    throw new KvError('KV_DATA', `The text has ${ids.length} tokens; measuring at ${tokens} needs ${size}.`, {
      hint: `Give a longer text, or measure at ${Math.max(1, ids.length - FOLLOW)} tokens or less.`,
    })
  const step = (ids.length - size) / Math.max(1, count - 1)
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor(i * step)
    return { ids: ids.subarray(from, from + size), tokens, seed: seed * 1000 + i }
  })
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
