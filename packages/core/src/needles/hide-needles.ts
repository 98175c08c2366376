import type { Tokenizer } from '../model/tokenizer.ts'
import type { Needle } from './needle.ts'
import { seededRandom } from './seeded-random.ts'

/** A copy of a text with needles in it. */
export interface HiddenNeedles {
  /** As many as the text has: needles lie in the place of what was there. */
  readonly ids: Int32Array
  /** Those that found a place, with the share of the text before them. */
  readonly hidden: readonly { readonly needle: Needle; readonly depth: number }[]
}

/** Tokens around a drawn depth among which the end of a sentence is looked for. */
const AROUND = 24

/**
 * Hides needles in a copy of a text, each at a random place of an equal part of it, behind the end of a sentence where there is one near.
 * They replace tokens, so that the copy is as long and compressed by the same plan; control tokens are never replaced. A needle that finds
 * no place is left out.
 * @param range the text within `ids`, [from, to)
 */
export function hideNeedles(
  ids: Int32Array,
  [from, to]: readonly [number, number],
  needles: readonly Needle[],
  tokenizer: Tokenizer,
  seed: number,
): HiddenNeedles {
  const random = seededRandom(seed ^ 0x5bd1e995)
  const copy = Int32Array.from(ids)
  const part = (to - from) / Math.max(1, needles.length)
  const hidden: { needle: Needle; depth: number }[] = []
  let free = from
  for (const [i, needle] of needles.entries()) {
    const sentence = tokenizer.encode(needle.sentence, { special: false })
    const last = to - sentence.length
    const drawn = Math.floor(from + (i + random()) * part)
    const fits = (at: number) =>
      at >= free &&
      at <= last &&
      ids.subarray(at, at + sentence.length).every((id) => !tokenizer.isSpecial(id))
    const at = placeNear(drawn, fits, (at) => at === from || endsSentence(tokenizer, ids[at - 1] ?? 0))
    if (at === undefined) continue
    copy.set(sentence, at)
    free = at + sentence.length
    hidden.push({ needle, depth: (at - from) / (to - from) })
  }
  return { ids: copy, hidden }
}

/** The nearest place that fits, one behind a sentence before others. */
function placeNear(
  drawn: number,
  fits: (at: number) => boolean,
  good: (at: number) => boolean,
): number | undefined {
  const near = Array.from({ length: 2 * AROUND + 1 }, (_, i) => drawn + (i % 2 === 0 ? i / 2 : -(i + 1) / 2))
  const places = near.filter(fits)
  return places.find(good) ?? places[0]
}

const endsSentence = (tokenizer: Tokenizer, id: number): boolean => /[.!?\n]\s*$/.test(tokenizer.decode([id]))
