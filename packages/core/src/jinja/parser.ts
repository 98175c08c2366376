import { ExpressionParser } from './expression-parser.ts'
import type { Body, Expression, Signature, Statement, Target } from './nodes.ts'

/** Reads a template into statements, by the grammar of Jinja2. @throws TemplateSyntaxError. */
export function parse(template: string): Body {
  return new Parser(template).body([])
}

class Parser extends ExpressionParser {
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
}
