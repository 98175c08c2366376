import { collocationKey, OrthographicContext, type PunktParameters } from './punkt-parameters.ts'
import {
  isInitial,
  isNumberType,
  punktTokens,
  startsLower,
  startsUpper,
  typeWithoutDot,
  typeWithoutSentenceDot,
  type PunktToken,
} from './punkt-token.ts'

const PUNCTUATION = new Set([';', ':', ',', '.', '!', '?'])

/** Whether a sentence ends inside the text, that is, before its last token. */
export function holdsSentenceEnd(text: string, parameters: PunktParameters): boolean {
  const tokens = punktTokens(text)
  for (const token of tokens) decideByType(token, parameters)
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1]
    if (next === undefined) return false
    decideByContext(token, next, parameters)
    if (token.endsSentence) return true
  }
  return false
}

/** First pass: what a token is by itself. */
function decideByType(token: PunktToken, { abbreviations }: PunktParameters): void {
  const { text } = token
  if (text === '.' || text === '?' || text === '!') token.endsSentence = true
  else if (!token.isEllipsis && text.endsWith('.') && !text.endsWith('..')) {
    const word = text.slice(0, -1).toLowerCase()
    token.isAbbreviation = abbreviations.has(word) || abbreviations.has(word.split('-').at(-1) ?? word)
    token.endsSentence = !token.isAbbreviation
  }
}

/** Second pass: what the next token says about a token that ends in a dot. */
function decideByContext(token: PunktToken, next: PunktToken, parameters: PunktParameters): void {
  if (!token.text.endsWith('.')) return
  const type = typeWithoutDot(token)
  const nextType = typeWithoutSentenceDot(next)
  if (parameters.collocations.has(collocationKey(type, nextType))) return markAbbreviation(token)

  const initial = isInitial(token)
  const starts = startsSentence(next, parameters)
  if ((token.isAbbreviation || token.isEllipsis) && !initial) {
    const frequentStarter = startsUpper(next) && parameters.sentenceStarters.has(nextType)
    if (starts === 'yes' || frequentStarter) {
      token.endsSentence = true
      return
    }
  }
  if (!initial && !isNumberType(type)) return
  const neverLower =
    ((parameters.orthographicContext.get(nextType) ?? 0) & OrthographicContext.anyLower) === 0
  const isName = starts === 'unknown' && initial && startsUpper(next) && neverLower
  if (starts === 'no' || isName) markAbbreviation(token)
}

function markAbbreviation(token: PunktToken): void {
  token.endsSentence = false
  token.isAbbreviation = true
}

/** What the case of a word, against the cases it was seen in, says about it as the first of a sentence. */
function startsSentence(token: PunktToken, parameters: PunktParameters): 'yes' | 'no' | 'unknown' {
  if (PUNCTUATION.has(token.text)) return 'no'
  const seen = parameters.orthographicContext.get(typeWithoutSentenceDot(token)) ?? 0
  const { anyLower, anyUpper, beginningLower, middleUpper } = OrthographicContext
  if (startsUpper(token) && (seen & anyLower) !== 0 && (seen & middleUpper) === 0) return 'yes'
  if (startsLower(token) && ((seen & anyUpper) !== 0 || (seen & beginningLower) === 0)) return 'no'
  return 'unknown'
}
