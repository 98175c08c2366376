import type { Tokenizer } from '../model/tokenizer.ts'

/** Tokens of context that a decoder may need to write the next one: no character and no space rule reaches further. */
const CONTEXT_TOKENS = 8
const INCOMPLETE = '\uFFFD'

/**
 * Text of a growing list of tokens, piece by piece. A token may end in the middle of a character: its text waits
 * for the rest. Pieces joined equal the text of all tokens decoded after the prompt.
 */
export class Detokenizer {
  private readonly tokenizer: Tokenizer
  /** Tokens from the first one that the decoder still needs to see. */
  private window: number[]
  /** How many of `window` are already written. */
  private written: number

  /** `before`: the end of the prompt, which decides about a space at the beginning. */
  constructor(tokenizer: Tokenizer, before: readonly number[] = []) {
    this.tokenizer = tokenizer
    this.window = before.slice(-CONTEXT_TOKENS)
    this.written = this.window.length
  }

  /** The text that this token completes; empty while a character is incomplete. */
  push(token: number): string {
    this.window.push(token)
    const text = this.pending()
    // A broken character of four bytes is repaired by at most three more tokens; what stays broken is the model's own text.
    if (text.endsWith(INCOMPLETE) && this.window.length - this.written < 4) return ''
    return this.advance(text)
  }

  /** What is left, complete or not. */
  flush(): string {
    return this.advance(this.pending())
  }

  private pending(): string {
    const before = this.tokenizer.decode(this.window.slice(0, this.written))
    return this.tokenizer.decode(this.window).slice(before.length)
  }

  private advance(text: string): string {
    this.window = this.window.slice(-CONTEXT_TOKENS)
    this.written = this.window.length
    return text
  }
}
