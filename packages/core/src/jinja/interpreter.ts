import { calculate, compares, itemAt, slice } from './arithmetic.ts'
import { filters, type FilterHost } from './filters.ts'
import { checkText, requireText, type Limits } from './limits.ts'
import { runLoop } from './loop.ts'
import { makeMacro } from './macro.ts'
import { methodOf } from './methods.ts'
import type { Arguments, Body, Expression, Statement, Target } from './nodes.ts'
import { Scope } from './scope.ts'
import { tests } from './tests.ts'
import {
  Callable,
  Float,
  isList,
  isNumber,
  iterate,
  keyOf,
  Namespace,
  numberOf,
  text,
  TemplateError,
  truth,
  Tuple,
  typeName,
  View,
  type Call,
  type Value,
} from './values.ts'

/** How a body ended early. */
export type Ending = 'break' | 'continue' | undefined

/** Runs the statements of a template. */
export class Interpreter implements FilterHost {
  readonly limits: Limits
  private out: string[] = []

  constructor(limits: Limits) {
    this.limits = limits
  }

  /** What a body writes. */
  capture(body: Body, scope: Scope): string {
    return this.captured(() => {
      this.run(body, scope)
    })
  }

  captured(work: () => void): string {
    const outer = this.out
    this.out = []
    try {
      work()
      return checkText(this.out.join(''))
    } finally {
      this.out = outer
    }
  }

  run(body: Body, scope: Scope): Ending {
    for (const statement of body) {
      this.limits.step()
      const ending = this.statement(statement, scope)
      if (ending) return ending
    }
    return undefined
  }

  private statement(statement: Statement, scope: Scope): Ending {
    switch (statement.kind) {
      case 'data':
        return this.write(statement.text)
      case 'output':
        return this.write(text(this.evaluate(statement.value, scope)))
      case 'if': {
        const branch = statement.branches.find(([test]) => truth(this.evaluate(test, scope)))
        return this.run(branch?.[1] ?? statement.otherwise, scope)
      }
      case 'for':
        return this.limits.nested(() => runLoop(statement, scope, this))
      case 'set':
        return this.assign(statement.target, this.evaluate(statement.value, scope), scope)
      case 'set-block': {
        const value = this.capture(statement.body, new Scope(scope))
        return this.assign(statement.target, this.filtered(statement.filter, value, scope), scope)
      }
      case 'filter-block': {
        const value = this.capture(statement.body, new Scope(scope))
        return this.write(text(this.filtered(statement.filter, value, scope)))
      }
      case 'macro':
        scope.set(statement.name, makeMacro(statement.name, statement, scope, this))
        return undefined
      case 'call-block':
        return this.callBlock(statement, scope)
      case 'with': {
        const inner = new Scope(scope)
        for (const [target, value] of statement.values)
          this.assign(target, this.evaluate(value, scope), inner)
        return this.run(statement.body, inner)
      }
      case 'scope':
        return this.run(statement.body, new Scope(scope))
      case 'break':
      case 'continue':
        return statement.kind
      default:
        return undefined
    }
  }

  private write(written: string): undefined {
    requireText(written.length)
    this.out.push(written)
  }

  private callBlock(
    { call, signature, body }: Extract<Statement, { kind: 'call-block' }>,
    scope: Scope,
  ): Ending {
    if (call.kind !== 'call') return undefined
    const caller = makeMacro('caller', { signature, body }, scope, this)
    const given = this.arguments(call.args, scope)
    const value = this.call(this.evaluate(call.callee, scope), {
      ...given,
      named: new Map([...given.named, ['caller', caller]]),
    })
    return this.write(text(value))
  }

  assign(target: Target, value: Value, scope: Scope): undefined {
    if (target.kind === 'name') scope.set(target.name, value)
    else if (target.kind === 'field') {
      const namespace = scope.get(target.of)
      if (!(namespace instanceof Namespace))
        throw new TemplateError('cannot assign attribute on non-namespace object')
      namespace.fields.set(target.name, value)
    } else {
      const items = iterate(value)
      if (items.length !== target.items.length)
        throw new TemplateError(`expected ${target.items.length} values to unpack, got ${items.length}`)
      for (const [i, each] of target.items.entries()) this.assign(each, items[i], scope)
    }
  }

  /** A chain of filters applied to a value that stands in no expression. */
  private filtered(filter: Expression | undefined, value: Value, scope: Scope): Value {
    if (filter?.kind !== 'filter') return value
    const before = filter.of ? this.filtered(filter.of, value, scope) : value
    return this.filter(filter.name, before, this.arguments(filter.args, scope))
  }

  evaluate(node: Expression, scope: Scope): Value {
    this.limits.step()
    switch (node.kind) {
      case 'constant':
        return node.value
      case 'float':
        return new Float(node.value)
      case 'name':
        return scope.get(node.name)
      case 'list':
        return node.items.map((item) => this.evaluate(item, scope))
      case 'tuple':
        return new Tuple(node.items.map((item) => this.evaluate(item, scope)))
      case 'concat':
        return checkText(node.items.map((item) => text(this.evaluate(item, scope))).join(''))
      case 'dict':
        return new Map(
          node.entries.map(([key, value]): [Value, Value] => [
            keyOf(this.evaluate(key, scope)),
            this.evaluate(value, scope),
          ]),
        )
      case 'attribute':
        return this.attributeOrItem(this.needed(node.of, scope), node.name)
      case 'item': {
        const of = this.needed(node.of, scope)
        if (node.key.kind === 'slice')
          return slice(
            of,
            node.key.parts.map((part) => part && this.evaluate(part, scope)),
          )
        return this.item(of, this.evaluate(node.key, scope))
      }
      case 'slice':
        throw new TemplateError('a slice stands in brackets')
      case 'call':
        return this.call(this.needed(node.callee, scope), this.arguments(node.args, scope))
      case 'filter':
        return this.filter(
          node.name,
          node.of && this.evaluate(node.of, scope),
          this.arguments(node.args, scope),
        )
      case 'test': {
        const { positional } = this.arguments(node.args, scope)
        return this.test(node.name, this.evaluate(node.of, scope), positional)
      }
      case 'not':
        return !truth(this.evaluate(node.of, scope))
      case 'negative':
        return calculate('*', -1, this.number(node.of, scope))
      case 'positive':
        return this.number(node.of, scope)
      case 'and': {
        const left = this.evaluate(node.left, scope)
        return truth(left) ? this.evaluate(node.right, scope) : left
      }
      case 'or': {
        const left = this.evaluate(node.left, scope)
        return truth(left) ? left : this.evaluate(node.right, scope)
      }
      case 'math':
        return calculate(node.operator, this.evaluate(node.left, scope), this.evaluate(node.right, scope))
      case 'compare':
        return this.compareAll(node, scope)
      case 'choice':
        if (truth(this.evaluate(node.test, scope))) return this.evaluate(node.yes, scope)
        return node.no && this.evaluate(node.no, scope)
      default:
        return undefined
    }
  }

  private number(node: Expression, scope: Scope): Value {
    const value = this.evaluate(node, scope)
    if (!isNumber(value)) throw new TemplateError(`bad operand type for unary -: '${typeName(value)}'`)
    return value
  }

  private compareAll({ first, rest }: Extract<Expression, { kind: 'compare' }>, scope: Scope): boolean {
    let left = this.evaluate(first, scope)
    for (const [operator, node] of rest) {
      const right = this.evaluate(node, scope)
      if (!compares(operator, left, right)) return false
      left = right
    }
    return true
  }

  /** A value whose fields, items or call are asked for: it must be there. */
  private needed(node: Expression, scope: Scope): Value {
    const value = this.evaluate(node, scope)
    if (value === undefined) throw new TemplateError(`${describe(node)} is undefined`)
    return value
  }

  private arguments({ positional, named, spread, spreadNamed }: Arguments, scope: Scope): Call {
    const values = positional.map((each) => this.evaluate(each, scope))
    if (spread) values.push(...iterate(this.evaluate(spread, scope)))
    const names = new Map(named.map(([name, each]): [string, Value] => [name, this.evaluate(each, scope)]))
    const more = spreadNamed && this.evaluate(spreadNamed, scope)
    if (more instanceof Map) for (const [name, value] of more) names.set(text(name), value)
    return { positional: values, named: names }
  }

  call(callee: Value, call: Call): Value {
    if (!(callee instanceof Callable)) throw new TemplateError(`'${typeName(callee)}' object is not callable`)
    return this.limits.nested(() => callee.call(call))
  }

  filter(name: string, value: Value, call: Call): Value {
    this.limits.step()
    const filter = Object.hasOwn(filters, name) ? filters[name] : undefined
    if (!filter) throw new TemplateError(`No filter named '${name}' is supported`)
    return filter(value, call, this)
  }

  test(name: string, value: Value, args: readonly Value[]): boolean {
    this.limits.step()
    if (name === 'filter' || name === 'test')
      return Object.hasOwn(name === 'filter' ? filters : tests, text(value))
    const test = Object.hasOwn(tests, name) ? tests[name] : undefined
    if (!test) throw new TemplateError(`No test named '${name}' is supported`)
    return test(value, args)
  }

  /** `value.name`: a method or a field, else an item. */
  private attributeOrItem(value: Value, name: string): Value {
    const own = this.attribute(value, name)
    return own === undefined && value instanceof Map ? value.get(name) : own
  }

  attribute(value: Value, name: string): Value {
    // Names with an underscore are Python's own, which a template has no business with.
    if (name.startsWith('__')) return undefined
    if (value instanceof Namespace || value instanceof Callable) return value.fields.get(name)
    return (value instanceof Tuple ? value.fields.get(name) : undefined) ?? methodOf(value, name)
  }

  /** `value[key]`: an item, else a method or a field. */
  item(value: Value, key: Value): Value {
    if (value === undefined)
      throw new TemplateError(`a value whose item ${text(key)} is asked for is undefined`)
    if (value instanceof Map && (isNumber(key) || typeof key === 'string' || key === null)) {
      const found = value.get(keyOf(key))
      if (found !== undefined) return found
    }
    if (isNumber(key) && (typeof value === 'string' || isList(value) || value instanceof View))
      return itemAt(iterate(value), numberOf(key))
    return typeof key === 'string' ? this.attribute(value, key) : undefined
  }
}

function describe(node: Expression): string {
  if (node.kind === 'name') return `'${node.name}'`
  if (node.kind === 'attribute') return `'${node.name}'`
  return 'a value'
}
