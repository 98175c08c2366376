import { pythonSpace } from '@qpkv/bench-kit'

const SPACE = `[${pythonSpace}]`
const NOT_SPACE = `[^${pythonSpace}]`
/** characters that no word contains */
export const NON_WORD = '[)";}\\]*:@\'({\\[!?]'
const MULTI_CHARACTER = `(?:-{2,}|\\.{2,}|(?:\\.${SPACE}){2,}\\.)`
const WORD_START = '[^("`{\\[:;&#*@)}\\]\\-,]'
const WORD_END = `(?:${SPACE}|$|${NON_WORD}|${MULTI_CHARACTER}|,(?=$|${SPACE}|${NON_WORD}|${MULTI_CHARACTER}))`
const WORD = new RegExp(
  `${MULTI_CHARACTER}|(?=${WORD_START})${NOT_SPACE}+?(?=${WORD_END})|${NOT_SPACE}`,
  'gu',
)

const NUMBER = /^-?[.,]?\p{Nd}[\p{Nd},.-]*\.?$/u
const NUMBER_TYPE = '##number##'
const ELLIPSIS = /^\.\.+$/u
const INITIAL = /^[\p{L}\p{Nl}\p{No}_]\.$/u

/** A token of a text with what the two passes found out about it. */
export interface PunktToken {
  readonly text: string
  /** lower case; numbers are all of one type */
  readonly type: string
  endsSentence: boolean
  isAbbreviation: boolean
  isEllipsis: boolean
}

export function punktTokens(text: string): PunktToken[] {
  return text.split('\n').flatMap((line) => Array.from(line.match(WORD) ?? [], createToken))
}

function createToken(text: string): PunktToken {
  const lower = text.toLowerCase()
  const type = NUMBER.test(lower) ? NUMBER_TYPE : lower
  return { text, type, endsSentence: false, isAbbreviation: false, isEllipsis: ELLIPSIS.test(text) }
}

export function isNumberType(type: string): boolean {
  return type === NUMBER_TYPE
}

/** A single letter with a dot, as in "J." */
export function isInitial(token: PunktToken): boolean {
  return INITIAL.test(token.text)
}

export function typeWithoutDot({ type }: PunktToken): string {
  return type.length > 1 && type.endsWith('.') ? type.slice(0, -1) : type
}

/** The type without its dot if the dot ends a sentence. */
export function typeWithoutSentenceDot(token: PunktToken): string {
  return token.endsSentence ? typeWithoutDot(token) : token.type
}

export function startsUpper(token: PunktToken): boolean {
  return /^\p{Uppercase}/u.test(token.text)
}

export function startsLower(token: PunktToken): boolean {
  return /^\p{Lowercase}/u.test(token.text)
}
