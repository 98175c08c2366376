import { isPlainObject } from '@qpkv/spec'
import type { Tokenizer } from '../model/tokenizer.ts'

// Private-use characters: no template writes, trims or changes them.
const OPEN = '\u{F0000}'
const CLOSE = '\u{F0001}'

/** A rendered text, and the spans in which control tokens are plain text. */
export interface MarkedText {
  readonly text: string
  /** `[from, to)` in order. */
  readonly plain: readonly (readonly [number, number])[]
}

/**
 * Tells the control tokens that a template writes from those that messages spell out: these are replaced by marks before
 * rendering, and put back afterwards as text.
 */
export class ControlTokenMarks {
  private readonly found: string[] = []
  private readonly pattern: RegExp

  /** Control tokens: the special ones, and added ones that the template itself spells out. */
  constructor(tokenizer: Tokenizer, template: string) {
    const contents = tokenizer.addedTokens
      .filter(({ content, special }) => special || (content.trim() !== '' && template.includes(content)))
      .map(({ content }) => content)
      .sort((a, b) => b.length - a.length)
    const literal = contents.map((content) => content.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    this.pattern = new RegExp(literal.length > 0 ? literal.join('|') : '(?!)', 'g')
  }

  /** The value with all its texts marked, keys left alone. */
  mark<T>(value: T): T
  mark(value: unknown): unknown {
    if (typeof value === 'string')
      return value
        .replaceAll(OPEN, '')
        .replaceAll(CLOSE, '')
        .replace(this.pattern, (token) => `${OPEN}${this.found.push(token) - 1}${CLOSE}`)
    if (Array.isArray(value)) return value.map((item: unknown) => this.mark(item))
    if (!isPlainObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.mark(item)]))
  }

  /** The text without marks. */
  restore(rendered: string): MarkedText {
    const plain: [number, number][] = []
    let text = ''
    let done = 0
    for (const { index, 0: mark, 1: number } of rendered.matchAll(
      /\u{F0000}(\d+)\u{F0001}|[\u{F0000}\u{F0001}]/gu,
    )) {
      text += rendered.slice(done, index)
      const token = number === undefined ? '' : (this.found[Number(number)] ?? '')
      if (token !== '') plain.push([text.length, text.length + token.length])
      text += token
      done = index + mark.length
    }
    return { text: text + rendered.slice(done), plain }
  }
}
