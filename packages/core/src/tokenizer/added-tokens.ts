import type { Normalize } from './normalizers.ts'

/** A token that is found in the text before it is cut into words. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Left out of decoded text. */
  readonly special: boolean
  /** Found in the normalized text. */
  readonly normalized: boolean
  /** Takes the spaces to its left, or right, with it. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** No match inside a word. */
  readonly singleWord: boolean
}

/** A span of a text: plain, or an added token. */
export interface Section {
  readonly from: number
  readonly to: number
  readonly token?: AddedToken
}

type Node = Map<number, Node> & { token?: AddedToken }

/** Finds added tokens of one kind in a text: the leftmost, of those the longest. */
export class AddedTokenFinder {
  private readonly root: Node = new Map<number, Node>()
  /** Finds a place where a token may begin. */
  private readonly beginning: RegExp

  constructor(tokens: readonly AddedToken[], normalize: Normalize) {
    for (const token of tokens) {
      const content = token.normalized ? normalize(token.content, 'start') : token.content
      let node = this.root
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i)
        let child = node.get(unit)
        if (!child) node.set(unit, (child = new Map<number, Node>()))
        node = child
      }
      if (content !== '') node.token = token
    }
    const units = [...this.root.keys()].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
    this.beginning = new RegExp(units.length > 0 ? `[${units.join('')}]` : '(?!)', 'g')
  }

  /** Cuts the text; `skip` names places whose tokens are plain text. */
  *cut(text: string, skip: (from: number, token: AddedToken) => boolean): Generator<Section, void, void> {
    let done = 0
    for (let at = 0; at < text.length;) {
      const found = this.longestAt(text, at)
      if (!found) {
        at++
        continue
      }
      const { token } = found
      const begin = at
      let end = (at = found.end)
      if (skip(begin, token) || (token.singleWord && isInsideWord(text, begin, end))) continue
      const from = token.lstrip ? Math.max(spacesBefore(text, begin), done) : begin
      if (token.rstrip) end = spacesAfter(text, end)
      if (from > done) yield { from: done, to: from }
      yield { from, to: end, token }
      done = end
    }
    if (done < text.length) yield { from: done, to: text.length }
  }

  private longestAt(text: string, at: number): { token: AddedToken; end: number } | undefined {
    let node = this.root.get(text.charCodeAt(at))
    let found: { token: AddedToken; end: number } | undefined
    for (let end = at + 1; node; end++) {
      if (node.token) found = { token: node.token, end }
      node = end < text.length ? node.get(text.charCodeAt(end)) : undefined
    }
    return found
  }
}

const WORD = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D]'
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, 'u')
const BEGINS_WITH_WORD = new RegExp(`^${WORD}`, 'u')
const SPACE = /\p{White_Space}/u

/** Two units hold the last, or first, character whole. */
const isInsideWord = (text: string, from: number, to: number) =>
  ENDS_WITH_WORD.test(text.slice(Math.max(0, from - 2), from)) ||
  BEGINS_WITH_WORD.test(text.slice(to, to + 2))

function spacesBefore(text: string, from: number): number {
  let at = from
  while (at > 0 && SPACE.test(text[at - 1] ?? '')) at--
  return at
}

function spacesAfter(text: string, to: number): number {
  let at = to
  while (at < text.length && SPACE.test(text[at] ?? '')) at++
  return at
}
