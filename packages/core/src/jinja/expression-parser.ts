import type { Arguments, Expression } from './nodes.ts'
import { TokenReader } from './token-reader.ts'

const NOTHING: Arguments = { positional: [], named: [], spread: undefined, spreadNamed: undefined }
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=']

/** Reads expressions, by the grammar of Jinja2. */
export class ExpressionParser extends TokenReader {
  protected tuple({ choice = true, ends = [] as readonly string[], parentheses = false } = {}): Expression {
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

  protected expression(): Expression {
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
      else if (this.isName('not') && this.following?.value === 'in') {
        this.next()
        this.next()
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
    const { type, value } = this.next()
    if (type === 'name') {
      if (/^[tT]rue$/.test(value)) return { kind: 'constant', value: true }
      if (/^[fF]alse$/.test(value)) return { kind: 'constant', value: false }
      return /^[nN]one$/.test(value) ? { kind: 'constant', value: null } : { kind: 'name', name: value }
    }
    if (type === 'text') {
      let joined = value
      while (this.current.type === 'text') joined += this.next().value
      return { kind: 'constant', value: joined }
    }
    if (type === 'integer') return { kind: 'constant', value: Number(value) }
    if (type === 'float') return { kind: 'float', value: Number(value) }
    if (value === '(') {
      const inner = this.tuple({ parentheses: true })
      this.expectOperator(')')
      return inner
    }
    if (value === '[') return { kind: 'list', items: this.listed(']', () => this.expression()) }
    if (value === '{') return { kind: 'dict', entries: this.listed('}', () => this.entry()) }
    return this.fail(`unexpected ${value}`)
  }

  private entry(): [Expression, Expression] {
    const key = this.expression()
    this.expectOperator(':')
    return [key, this.expression()]
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

  protected filters(of: Expression | undefined): Expression {
    let filtered = of
    while (this.skip('|')) filtered = this.filter(filtered)
    return filtered ?? this.fail('expected a filter')
  }

  protected filter(of: Expression | undefined): Expression {
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

  protected arguments(): Arguments {
    const positional: Expression[] = []
    const named: [string, Expression][] = []
    let spread: Expression | undefined
    let spreadNamed: Expression | undefined
    this.expectOperator('(')
    this.listed(')', () => {
      if (this.skip('*')) spread = this.expression()
      else if (this.skip('**')) spreadNamed = this.expression()
      else if (this.current.type === 'name' && this.following?.value === '=') {
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
}
