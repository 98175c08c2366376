import { toRegExp } from 'oniguruma-to-es'
import { kvError } from '../errors.ts'
import { Part } from './part.ts'

/** A regular expression that finds all matches. */
export type Pattern = RegExp

/** The field `pattern` of a part: a plain text, or a regular expression of the Oniguruma library. */
export function readPattern(part: Part): Pattern {
  const pattern = new Part(part.raw('pattern'), `pattern of ${part.path}`)
  const regex = pattern.raw('Regex')
  return pattern.done(
    typeof regex === 'string' ? translate(regex, pattern.path) : literal(pattern.text('String')),
  )
}

/** Matches nothing where the text is empty. */
const literal = (text: string): Pattern =>
  text === '' ? /(?!)/gu : new RegExp(text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'gu')

function translate(regex: string, path: string): Pattern {
  try {
    return toRegExp(regex.replace(/\\[^]/g, wordClass), { global: true })
  } catch (cause) {
    throw kvError(
      'KV_TOKENIZER',
      `The regular expression in ${path} cannot be used: ${(cause as Error).message}.`,
    )
  }
}

/** What Oniguruma takes for a character of words; the translation would count all numbers. */
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}²³¹¼-¾'
const wordClass = (escape: string) =>
  escape === '\\w' ? `[${WORD}]` : escape === '\\W' ? `[^${WORD}]` : escape

/** A span of a text that a pattern matches, or that lies between its matches. */
export interface Span {
  readonly text: string
  readonly match: boolean
}

/** Cuts a text at the matches of a pattern. */
function* spans(text: string, pattern: Pattern): Generator<Span, void, void> {
  let from = 0
  for (const { index, 0: found } of text.matchAll(pattern)) {
    if (index > from) yield { text: text.slice(from, index), match: false }
    yield { text: found, match: true }
    from = index + found.length
  }
  if (from < text.length) yield { text: text.slice(from), match: false }
}

export const splitBehaviors = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] as const
export type SplitBehavior = (typeof splitBehaviors)[number]

/** A piece of a text and where it begins. */
export interface Cut {
  readonly text: string
  readonly from: number
}

/** What becomes of the matches; `invert` swaps them with what lies between. Pieces are in order, empty ones left out. */
export function* split(
  text: string,
  pattern: Pattern,
  behavior: SplitBehavior,
  invert = false,
): Generator<Cut, void, void> {
  let held: Span | undefined
  let from = 0
  for (const { text: next, match: matched } of spans(text, pattern)) {
    const span: Span = { text: next, match: matched !== invert }
    if (held && joins(behavior, held, span)) {
      // What a match was merged with is no match any more for the one that follows, and the other way round.
      held = { text: held.text + next, match: span.match }
      continue
    }
    if (held) {
      if (held.text !== '' && !(behavior === 'Removed' && held.match)) yield { text: held.text, from }
      from += held.text.length
    }
    held = span
  }
  if (held && held.text !== '' && !(behavior === 'Removed' && held.match)) yield { text: held.text, from }
}

/** Whether a span belongs to the piece that the one before it began. */
function joins(behavior: SplitBehavior, before: Span, after: Span): boolean {
  if (behavior === 'Contiguous') return before.match === after.match
  if (behavior === 'MergedWithPrevious') return !before.match && after.match
  return behavior === 'MergedWithNext' && before.match && !after.match
}
