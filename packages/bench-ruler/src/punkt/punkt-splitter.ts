import { pythonSpace } from '@qpkv/bench-kit'
import { stripEnd } from '../python/python-text.ts'
import { holdsSentenceEnd } from './punkt-decisions.ts'
import type { PunktParameters } from './punkt-parameters.ts'
import { NON_WORD } from './punkt-token.ts'

interface Span {
  readonly start: number
  readonly end: number
}

/** A dot, "?" or "!" that may end a sentence. */
interface Candidate {
  /** index after the character */
  readonly end: number
  /** where the next sentence would start */
  readonly nextStart: number
  /** start of the word before the character */
  readonly wordStart: number
  /** index of the character itself */
  readonly at: number
  /** the word, the character and what follows up to the next word's end */
  readonly context: string
}

const CANDIDATE = new RegExp(
  `[.?!](?=(?<after>${NON_WORD}|[${pythonSpace}]+(?<next>[^${pythonSpace}]+)))`,
  'gu',
)
const CLOSING = new RegExp(`["')\\]}]+?(?:[${pythonSpace}]+|(?=--)|$)`, 'uy')
/** Python's `string.whitespace`: ASCII only, unlike the rest of Punkt */
const ASCII_SPACE = ' \t\n\r\v\f'

/**
 * Sentences of a text as NLTK's `sent_tokenize` finds them with the same parameters (NLTK 3.6.6 and later): the
 * white space between sentences is left out, closing quotes and brackets stay with the sentence they close.
 */
export function punktSplitter(parameters: PunktParameters): (text: string) => string[] {
  return (text) => {
    const spans = closeSpans(text, sentenceSpans(text, parameters))
    return spans.map(({ start, end }) => text.slice(start, end)).filter((sentence) => sentence !== '')
  }
}

function sentenceSpans(text: string, parameters: PunktParameters): Span[] {
  const spans: Span[] = []
  let start = 0
  for (const candidate of candidates(text)) {
    if (!holdsSentenceEnd(candidate.context, parameters)) continue
    spans.push({ start, end: candidate.end })
    start = candidate.nextStart
  }
  spans.push({ start, end: stripEnd(text).length })
  return spans
}

/** Candidates in order; of several in one word ("!!!") only the last. */
function candidates(text: string): Candidate[] {
  const kept: Candidate[] = []
  let previous: Candidate | undefined
  for (const match of text.matchAll(CANDIDATE)) {
    const after = match.groups?.['after'] ?? ''
    const next = match.groups?.['next'] ?? ''
    const wordStart = lastWordStart(text, previous, match.index)
    if (previous !== undefined && previous.at <= wordStart) kept.push(previous)
    const end = match.index + match[0].length
    const nextStart = next === '' ? end : end + after.length - next.length
    const context = text.slice(wordStart, end) + after
    previous = { at: match.index, end, nextStart, wordStart, context }
  }
  if (previous !== undefined) kept.push(previous)
  return kept
}

/** Start of the word that ends at `end`; a word with an earlier candidate inside starts where that one's does. */
function lastWordStart(text: string, previous: Candidate | undefined, end: number): number {
  const from = previous?.at ?? 0
  // NLTK takes a space at the very first place for "none found".
  for (let i = end - 1; i > from; i -= 1) {
    if (ASCII_SPACE.includes(text[i] ?? '')) return i + 1
  }
  return previous?.wordStart ?? 0
}

/** Moves closing punctuation from the head of a sentence to the end of the one before. */
function closeSpans(text: string, spans: readonly Span[]): Span[] {
  const closed: Span[] = []
  let moved = 0
  for (const [i, span] of spans.entries()) {
    const start = span.start + moved
    const next = spans[i + 1]
    const closing = next === undefined ? null : matchClosing(text.slice(next.start, next.end))
    if (next === undefined || closing === null) {
      moved = 0
      closed.push({ start, end: span.end })
    } else {
      moved = closing.length
      closed.push({ start, end: next.start + stripEnd(closing).length })
    }
  }
  return closed
}

function matchClosing(sentence: string): string | null {
  CLOSING.lastIndex = 0
  return CLOSING.exec(sentence)?.[0] ?? null
}
