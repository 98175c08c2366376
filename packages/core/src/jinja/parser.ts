import { TemplateSyntaxError, tokenize, type Token } from './lexer.ts'
import type { Arguments, Body, Expression, Signature, Statement, Target } from './nodes.ts'

const NOTHING: Arguments = { positional: [], named: [], spread: undefined, spreadNamed: undefined }
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=']

/** Reads a template into statements, by the grammar of Jinja2. @throws TemplateSyntaxError. */
export function parse(template: string): Body {
  return new Parser(tokenize(template)).body([])
}

class Parser {
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens
  }

  /** Statements up to one of these tags, which is left for the caller with its name next; without tags up to the end. */
  body(ends: readonly string[]): Statement[] {
    const statements: Statement[] = []
    for (;;) {
      const token = this.next()
      if (token.type === 'eof') {
        if (ends.length > 0) this.fail(`expected ${ends.join(' or ')} before the end`)
        return statements
      }
      if (token.type === 'data') statements.push({ kind: 'data', text: token.value })
      else if (token.type === 'output') {
        statements.push({ kind: 'output', value: this.tuple() })
        this.expectEnd()
      } else {
        if (this.current.type === 'name' && ends.includes(this.current.value)) return statements
        statements.push(...this.statement())
        this.expectEnd()
      }
    }
  }

  private statement(): Statement[] {
    const { value: tag } = this.expect('name')
    switch (tag) {
      case 'if':
        return [this.if()]
      case 'for':
        return [this.for()]
      case 'set':
        return [this.set()]
      case 'macro':
        return [this.macro()]
      case 'call':
        return [this.callBlock()]
      case 'filter':
        return [{ kind: 'filter-block', filter: this.filter(undefined), body: this.block('endfilter') }]
      case 'with':
        return [this.with()]
      case 'generation': // marks the reply for training
        return [{ kind: 'scope', body: this.block('endgeneration') }]
      case 'block':
        return [this.namedBlock()]
      case 'print':
        return this.print()
      case 'break':
      case 'continue':
        return [{ kind: tag }]
      default:
        return this.fail(`the tag ${tag} is unknown or not supported`)
    }
  }

  /** The rest of a tag, statements, and the tag that ends them, up to its end. */
  private block(end: string): Body {
    const body = this.bodyAfterTag([end])
    this.expectName(end)
    return body
  }

  private bodyAfterTag(ends: readonly string[]): Body {
    this.skip(':')
    this.expectEnd()
    return this.body(ends)
  }

  private if(): Statement {
    const branches: [Expression, Body][] = []
    for (;;) {
      const test = this.tuple({ choice: false })
      branches.push([test, this.bodyAfterTag(['elif', 'else', 'endif'])])
      const { value: tag } = this.next()
      if (tag === 'elif') continue
      return { kind: 'if', branches, otherwise: tag === 'else' ? this.block('endif') : [] }
    }
  }

  private for(): Statement {
    const target = this.target(['in'])
    this.expectName('in')
    const over = this.tuple({ choice: false, ends: ['recursive'] })
    const test = this.skipName('if') ? this.expression() : undefined
    const recursive = this.skipName('recursive')
    const body = this.bodyAfterTag(['endfor', 'else'])
    const otherwise = this.next().value === 'else' ? this.block('endfor') : []
    return { kind: 'for', target, over, test, recursive, body, otherwise }
  }

  private set(): Statement {
    const target = this.target([])
    if (this.skip('=')) return { kind: 'set', target, value: this.tuple() }
    const filter = this.is('|') ? this.filters(undefined) : undefined
    return { kind: 'set-block', target, filter, body: this.block('endset') }
  }

  private macro(): Statement {
    const { value: name } = this.expect('name')
    return { kind: 'macro', name, signature: this.signature(), body: this.block('endmacro') }
  }

  private callBlock(): Statement {
    const signature = this.is('(') ? this.signature() : { names: [], defaults: [] }
    const call = this.expression()
    if (call.kind !== 'call') this.fail('expected a call after the tag call')
    return { kind: 'call-block', signature, call, body: this.block('endcall') }
  }

  private with(): Statement {
    const values: [Target, Expression][] = []
    while (this.current.type !== 'end') {
      if (values.length > 0) this.expectOperator(',')
      const target = this.target([])
      this.expectOperator('=')
      values.push([target, this.expression()])
    }
    return { kind: 'with', values, body: this.block('endwith') }
  }

  private namedBlock(): Statement {
    const { value: name } = this.expect('name')
    while (this.skipName('scoped') || this.skipName('required'));
    const body = this.block('endblock')
    this.skipName(name)
    return { kind: 'scope', body }
  }

  private print(): Statement[] {
    const values: Statement[] = []
    while (this.current.type !== 'end') {
      if (values.length > 0) this.expectOperator(',')
      values.push({ kind: 'output', value: this.expression() })
    }
    return values
  }

  private signature(): Signature {
    const names: string[] = []
    const defaults: Expression[] = []
    this.expectOperator('(')
    while (!this.skip(')')) {
      if (names.length > 0) this.expectOperator(',')
      names.push(this.expect('name').value)
      if (this.skip('=')) defaults.push(this.expression())
      else if (defaults.length > 0) this.fail('an argument without a default follows one with a default')
    }
    return { names, defaults }
  }

  /** Names, fields of namespaces, or several of them with commas. */
  private target(ends: readonly string[]): Target {
    const items: Target[] = []
    let several = false
    for (;;) {
      items.push(this.oneTarget())
      if (!this.skip(',')) break
      several = true
      if (this.is('=') || (this.current.type === 'name' && ends.includes(this.current.value))) break
    }
    const [first] = items
    return several || !first ? { kind: 'tuple', items } : first
  }

  private oneTarget(): Target {
    if (this.skip('(')) {
      const target = this.target([])
      this.expectOperator(')')
      return target
    }
    const { value: name } = this.expect('name')
    return this.skip('.')
      ? { kind: 'field', of: name, name: this.expect('name').value }
      : { kind: 'name', name }
  }

  private tuple({ choice = true, ends = [] as readonly string[], parentheses = false } = {}): Expression {
    const items: Expression[] = []
    let several = false
    for (;;) {
      if (
        this.current.type === 'end' ||
        this.is(')') ||
        (this.current.type === 'name' && ends.includes(this.current.value))
      )
        break
      items.push(choice ? this.expression() : this.or())
      if (!this.skip(',')) break
      several = true
    }
    const [first] = items
    if (!several && first) return first
    if (!several && !parentheses) this.fail('expected an expression')
    return { kind: 'tuple', items }
  }

  expression(): Expression {
    let yes = this.or()
    while (this.skipName('if')) {
      const test = this.or()
      yes = { kind: 'choice', test, yes, no: this.skipName('else') ? this.expression() : undefined }
    }
    return yes
  }

  private or(): Expression {
    let left = this.and()
    while (this.skipName('or')) left = { kind: 'or', left, right: this.and() }
    return left
  }

  private and(): Expression {
    let left = this.not()
    while (this.skipName('and')) left = { kind: 'and', left, right: this.not() }
    return left
  }

  private not(): Expression {
    return this.skipName('not') ? { kind: 'not', of: this.not() } : this.compare()
  }

  private compare(): Expression {
    const first = this.sum()
    const rest: [string, Expression][] = []
    for (;;) {
      const { type, value } = this.current
      if (type === 'operator' && COMPARISONS.includes(value)) {
        this.next()
        rest.push([value, this.sum()])
      } else if (this.skipName('in')) rest.push(['in', this.sum()])
      else if (this.isName('not') && this.tokens[this.at + 1]?.value === 'in') {
        this.at += 2
        rest.push(['not in', this.sum()])
      } else break
    }
    return rest.length > 0 ? { kind: 'compare', first, rest } : first
  }

  private sum(): Expression {
    return this.leftToRight(['+', '-'], () => this.concat())
  }

  private concat(): Expression {
    const items = [this.product()]
    while (this.skip('~')) items.push(this.product())
    const [first] = items
    return items.length === 1 && first ? first : { kind: 'concat', items }
  }

  private product(): Expression {
    return this.leftToRight(['*', '/', '//', '%'], () => this.leftToRight(['**'], () => this.unary()))
  }

  private leftToRight(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand()
    while (this.current.type === 'operator' && operators.includes(this.current.value))
      left = { kind: 'math', operator: this.next().value, left, right: operand() }
    return left
  }

  private unary(filtered = true): Expression {
    let of: Expression
    if (this.skip('-')) of = { kind: 'negative', of: this.unary(false) }
    else if (this.skip('+')) of = { kind: 'positive', of: this.unary(false) }
    else of = this.primary()
    of = this.postfix(of)
    return filtered ? this.filtersAndTests(of) : of
  }

  private primary(): Expression {
    const token = this.next()
    switch (token.type) {
      case 'name':
        if (/^[tT]rue$/.test(token.value)) return { kind: 'constant', value: true }
        if (/^[fF]alse$/.test(token.value)) return { kind: 'constant', value: false }
        if (/^[nN]one$/.test(token.value)) return { kind: 'constant', value: null }
        return { kind: 'name', name: token.value }
      case 'text': {
        let { value } = token
        while (this.current.type === 'text') value += this.next().value
        return { kind: 'constant', value }
      }
      case 'integer':
        return { kind: 'constant', value: Number(token.value) }
      case 'float':
        return { kind: 'float', value: Number(token.value) }
      default:
        if (token.value === '(') {
          const inner = this.tuple({ parentheses: true })
          this.expectOperator(')')
          return inner
        }
        if (token.value === '[') return { kind: 'list', items: this.listed(']', () => this.expression()) }
        if (token.value === '{')
          return {
            kind: 'dict',
            entries: this.listed('}', (): [Expression, Expression] => {
              const key = this.expression()
              this.expectOperator(':')
              return [key, this.expression()]
            }),
          }
        return this.fail(`unexpected ${token.value}`)
    }
  }

  /** Items with commas between, and perhaps one at the end. */
  private listed<T>(end: string, read: () => T): T[] {
    const items: T[] = []
    while (!this.skip(end)) {
      if (items.length > 0) {
        this.expectOperator(',')
        if (this.skip(end)) break
      }
      items.push(read())
    }
    return items
  }

  private postfix(given: Expression): Expression {
    let of = given
    for (;;) {
      if (this.skip('.')) {
        const token = this.next()
        if (token.type === 'name') of = { kind: 'attribute', of, name: token.value }
        else if (token.type === 'integer')
          of = { kind: 'item', of, key: { kind: 'constant', value: Number(token.value) } }
        else this.fail('expected a name after the point')
      } else if (this.skip('[')) {
        const items = this.listed(']', () => this.subscript())
        const [first] = items
        of = { kind: 'item', of, key: items.length === 1 && first ? first : { kind: 'tuple', items } }
      } else if (this.is('(')) of = { kind: 'call', callee: of, args: this.arguments() }
      else return of
    }
  }

  private subscript(): Expression {
    const parts: (Expression | undefined)[] = []
    const part = () => (this.is(':') || this.is(']') || this.is(',') ? undefined : this.expression())
    parts.push(part())
    if (!this.is(':')) return parts[0] ?? this.fail('expected an index')
    while (parts.length < 3 && this.skip(':')) parts.push(part())
    return { kind: 'slice', parts }
  }

  private filtersAndTests(given: Expression): Expression {
    let of = given
    for (;;) {
      if (this.is('|')) of = this.filters(of)
      else if (this.skipName('is')) of = this.test(of)
      else if (this.is('(')) of = { kind: 'call', callee: of, args: this.arguments() }
      else return of
    }
  }

  private filters(of: Expression | undefined): Expression {
    let filtered = of
    while (this.skip('|')) filtered = this.filter(filtered)
    return filtered ?? this.fail('expected a filter')
  }

  private filter(of: Expression | undefined): Expression {
    const name = this.dotted()
    return { kind: 'filter', of, name, args: this.is('(') ? this.arguments() : NOTHING }
  }

  private test(of: Expression): Expression {
    const negated = this.skipName('not')
    const name = this.dotted()
    const { type, value } = this.current
    let args = NOTHING
    if (this.is('(')) args = this.arguments()
    else if (
      (type === 'name' && !['else', 'or', 'and', 'if', 'is'].includes(value)) ||
      ['text', 'integer', 'float'].includes(type) ||
      this.is('[') ||
      this.is('{')
    )
      args = { ...NOTHING, positional: [this.postfix(this.primary())] }
    const test: Expression = { kind: 'test', of, name, args }
    return negated ? { kind: 'not', of: test } : test
  }

  private dotted(): string {
    let { value: name } = this.expect('name')
    while (this.skip('.')) name += `.${this.expect('name').value}`
    return name
  }

  private arguments(): Arguments {
    const positional: Expression[] = []
    const named: [string, Expression][] = []
    let spread: Expression | undefined
    let spreadNamed: Expression | undefined
    this.expectOperator('(')
    this.listed(')', () => {
      if (this.skip('*')) spread = this.expression()
      else if (this.skip('**')) spreadNamed = this.expression()
      else if (this.current.type === 'name' && this.tokens[this.at + 1]?.value === '=') {
        const { value: name } = this.next()
        this.next()
        named.push([name, this.expression()])
      } else {
        if (named.length > 0 || spread || spreadNamed) this.fail('a positional argument follows a named one')
        positional.push(this.expression())
      }
    })
    return { positional, named, spread, spreadNamed }
  }

  private get current(): Token {
    return this.tokens[this.at] ?? { type: 'eof', value: 'end of template' }
  }

  private next(): Token {
    const token = this.current
    this.at++
    return token
  }

  private is(operator: string): boolean {
    return this.current.type === 'operator' && this.current.value === operator
  }

  private isName(name: string): boolean {
    return this.current.type === 'name' && this.current.value === name
  }

  private skip(operator: string): boolean {
    const found = this.is(operator)
    if (found) this.at++
    return found
  }

  private skipName(name: string): boolean {
    const found = this.isName(name)
    if (found) this.at++
    return found
  }

  private expect(type: Token['type']): Token {
    return this.current.type === type
      ? this.next()
      : this.fail(`expected a ${type} but found ${this.current.value}`)
  }

  private expectName(name: string): void {
    if (!this.skipName(name)) this.fail(`expected ${name} but found ${this.current.value}`)
  }

  private expectOperator(operator: string): void {
    if (!this.skip(operator)) this.fail(`expected ${operator} but found ${this.current.value}`)
  }

  private expectEnd(): void {
    this.expect('end')
  }

  private fail(what: string): never {
    throw new TemplateSyntaxError(what)
  }
}
