import { Interpreter } from './interpreter.ts'
import { TemplateSyntaxError } from './lexer.ts'
import { Limits, MAX_RANGE, requireList } from './limits.ts'
import type { Body } from './nodes.ts'
import { Parameters } from './parameters.ts'
import { parse } from './parser.ts'
import { Scope } from './scope.ts'
import { strftime } from './strftime.ts'
import {
  Callable,
  fromJson,
  iterate,
  Namespace,
  text,
  TemplateError,
  View,
  type Call,
  type Value,
} from './values.ts'

/**
 * A chat template: Jinja2 as the transformers library sets it up (trim_blocks, lstrip_blocks, loop controls, the sandbox of values
 * that cannot be changed, `raise_exception`, `strftime_now`, a `tojson` without HTML escapes), with a limit on time and sizes.
 */
export class Template {
  private readonly body: Body

  /** @throws TemplateSyntaxError. */
  constructor(source: string) {
    try {
      this.body = parse(source)
    } catch (cause) {
      throw cause instanceof RangeError ? new TemplateSyntaxError('it is nested too deep') : cause
    }
  }

  /** @throws TemplateError, also what the template raises itself. */
  render(variables: Readonly<Record<string, unknown>>, timeoutMs: number): string {
    const interpreter = new Interpreter(new Limits(timeoutMs))
    const context = new Scope()
    for (const [name, value] of globals()) context.set(name, value)
    for (const [name, value] of Object.entries(variables)) context.set(name, fromJson(value))
    try {
      return interpreter.capture(this.body, new Scope(context))
    } catch (cause) {
      // Too deep a recursion, or a number that JavaScript refuses to format.
      throw cause instanceof RangeError ? new TemplateError(cause.message) : cause
    }
  }
}

export { TemplateError, TemplateSyntaxError }

const call = (name: string, run: (call: Call) => Value): [string, Value] => [name, new Callable(name, run)]

/** Entries of a dict or pairs, and named arguments. */
function entries({ positional: [given], named }: Call): Map<Value, Value> {
  const pairs: readonly (readonly [Value, Value])[] =
    given instanceof Map
      ? [...given]
      : iterate(given).map((pair) => [iterate(pair)[0], iterate(pair)[1]] as const)
  return new Map<Value, Value>([...pairs, ...named])
}

const globals = (): [string, Value][] => [
  call('range', ({ positional }) => {
    const whole = positional.map((value) => {
      if (typeof value === 'number') return value
      throw new TemplateError('range() needs whole numbers')
    })
    const [start = 0, stop = 0, step = 1] = whole.length === 1 ? [0, ...whole] : whole
    if (step === 0) throw new TemplateError('range() arg 3 must not be zero')
    const count = Math.max(0, Math.ceil((stop - start) / step))
    if (count > MAX_RANGE)
      throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${MAX_RANGE}.`)
    requireList(count)
    return new View(
      'range',
      Array.from({ length: count }, (_, i) => start + i * step),
    )
  }),
  call('dict', entries),
  call(
    'namespace',
    (given) => new Namespace(new Map([...entries(given)].map(([name, value]) => [text(name), value]))),
  ),
  call('raise_exception', ({ positional: [message] }) => {
    throw new TemplateError(text(message))
  }),
  call('strftime_now', (given) =>
    strftime(new Parameters('strftime_now', given, ['format']).text('format'), new Date()),
  ),
  call('joiner', (given) => {
    const separator = new Parameters('joiner', given, ['sep']).get('sep', ', ')
    let used = false
    return new Callable('joiner', () => {
      const first = !used
      used = true
      return first ? '' : separator
    })
  }),
  call('cycler', ({ positional }) => {
    let at = 0
    const fields = new Map<string, Value>()
    const turn = (to: number) => {
      at = to
      fields.set('current', positional[at])
    }
    fields.set(
      'next',
      new Callable('next', () => {
        const value = positional[at]
        turn((at + 1) % positional.length)
        return value
      }),
    )
    fields.set(
      'reset',
      new Callable('reset', () => {
        turn(0)
        return null
      }),
    )
    turn(0)
    return new Namespace(fields)
  }),
]
