import { TemplateSyntaxError, tokenize, type Token } from './lexer.ts'

/** Goes through the tokens of a template. */
export class TokenReader {
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(template: string) {
    this.tokens = tokenize(template)
  }

  /** The token behind the current one. */
  protected get following(): Token | undefined {
    return this.tokens[this.at + 1]
  }

  protected get current(): Token {
    return this.tokens[this.at] ?? { type: 'eof', value: 'end of template' }
  }

  protected next(): Token {
    const token = this.current
    this.at++
    return token
  }

  protected is(operator: string): boolean {
    return this.current.type === 'operator' && this.current.value === operator
  }

  protected isName(name: string): boolean {
    return this.current.type === 'name' && this.current.value === name
  }

  protected skip(operator: string): boolean {
    const found = this.is(operator)
    if (found) this.at++
    return found
  }

  protected skipName(name: string): boolean {
    const found = this.isName(name)
    if (found) this.at++
    return found
  }

  protected expect(type: Token['type']): Token {
    return this.current.type === type
      ? this.next()
      : this.fail(`expected a ${type} but found ${this.current.value}`)
  }

  protected expectName(name: string): void {
    if (!this.skipName(name)) this.fail(`expected ${name} but found ${this.current.value}`)
  }

  protected expectOperator(operator: string): void {
    if (!this.skip(operator)) this.fail(`expected ${operator} but found ${this.current.value}`)
  }

  protected expectEnd(): void {
    this.expect('end')
  }

  protected fail(what: string): never {
    throw new TemplateSyntaxError(what)
  }
}
