import type { Fact } from './world/fact.ts'
import type { WorldRandom } from './world/random.ts'
import { sentence } from './world/sentence.ts'

/** A text with hidden facts. */
export interface NeedleText {
  /** `" Sentence. Sentence."`: every sentence, the first one too, begins with a space. */
  readonly text: string
  /** Tokens of the text, without a beginning-of-text token. */
  readonly tokens: number
  /** Per fact, in the order given: tokens in front of its sentence / tokens of the text, in [0, 1). */
  readonly depths: readonly number[]
}

/** Where a fact goes: a share of the haystack in [0, 1], or anywhere. */
export type Depth = number | 'anywhere'

export interface NeedleTextOptions {
  readonly random: WorldRandom
  readonly facts: readonly Fact[]
  /** Per fact; left out: all anywhere. */
  readonly depths?: readonly Depth[]
  /** The text has at most this many tokens, and less than one sentence fewer. */
  readonly tokens: number
  /** Tokens of a text, special tokens not counted. */
  readonly countTokens: (text: string) => number
}

/**
 * Hides facts between haystack sentences. Pieces are counted apart: a byte-level BPE never merges across the space in front of a
 * sentence, so the counts add up.
 * @throws RangeError when the facts alone exceed `tokens`.
 */
export function needleText(options: NeedleTextOptions): NeedleText {
  const { random, facts, countTokens } = options
  const needles = facts.map(({ needle }) => piece(` ${needle}`, countTokens))
  let room = options.tokens - needles.reduce((sum, needle) => sum + needle.tokens, 0)
  if (room < 0) {
    throw new RangeError(
      `Expected room for ${facts.length} facts but ${options.tokens} tokens are ${-room} too few; ` +
        'use a longer text or fewer keys.',
    )
  }
  const hay: Piece[] = []
  for (;;) {
    const next = piece(` ${sentence(random)}`, countTokens)
    if (next.tokens > room) break
    hay.push(next)
    room -= next.tokens
  }
  const ends = cumulativeTokens(hay)
  const placed = needles.map((needle, index) => {
    const depth = options.depths?.[index] ?? 'anywhere'
    return { needle, index, spot: depth === 'anywhere' ? random.below(hay.length + 1) : spotAt(depth, ends) }
  })
  return assemble(hay, random.shuffle(placed))
}

interface Piece {
  readonly text: string
  readonly tokens: number
}

const piece = (text: string, countTokens: (text: string) => number): Piece => ({
  text,
  tokens: countTokens(text),
})

/** `[0, tokens of 1 sentence, of 2, ...]` */
function cumulativeTokens(hay: readonly Piece[]): number[] {
  const ends = [0]
  for (const { tokens } of hay) ends.push((ends.at(-1) ?? 0) + tokens)
  return ends
}

/** Index of the sentence gap nearest to a share of the haystack's tokens. */
function spotAt(depth: number, ends: readonly number[]): number {
  const wanted = depth * (ends.at(-1) ?? 0)
  let best = 0
  for (const [spot, end] of ends.entries()) {
    if (Math.abs(end - wanted) < Math.abs((ends[best] ?? 0) - wanted)) best = spot
  }
  return best
}

function assemble(
  hay: readonly Piece[],
  placed: readonly { needle: Piece; index: number; spot: number }[],
): NeedleText {
  const bySpot = [...placed].sort((a, b) => a.spot - b.spot) // stable: the shuffle decides within one gap
  const starts = Array.from({ length: placed.length }, () => 0)
  let text = ''
  let tokens = 0
  let next = 0
  for (let spot = 0; spot <= hay.length; spot++) {
    for (let here = bySpot[next]; here?.spot === spot; here = bySpot[next]) {
      starts[here.index] = tokens
      text += here.needle.text
      tokens += here.needle.tokens
      next += 1
    }
    const follows = hay[spot]
    text += follows?.text ?? ''
    tokens += follows?.tokens ?? 0
  }
  return { text, tokens, depths: starts.map((start) => (tokens === 0 ? 0 : start / tokens)) }
}
