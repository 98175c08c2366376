import { formatPercent } from './format.ts'
import { checkText, requireList, requireText } from './limits.ts'
import {
  compare,
  contains,
  equal,
  Float,
  isList,
  isNumber,
  iterate,
  numberOf,
  text,
  Tuple,
  TemplateError,
  typeName,
  type Value,
} from './values.ts'

/** `+`, `-`, `*`, `/`, `//`, `%` and `**` as Python has them. */
export function calculate(operator: string, a: Value, b: Value): Value {
  if (isNumber(a) && isNumber(b)) return numbers(operator, a, b)
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return checkText(a + b)
    if (Array.isArray(a) && Array.isArray(b)) {
      requireList(a.length + b.length)
      return a.concat(b)
    }
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items])
  }
  if (operator === '*' && typeof b === 'number') return repeat(a, b) ?? unsupported(operator, a, b)
  if (operator === '*' && typeof a === 'number') return repeat(b, a) ?? unsupported(operator, a, b)
  if (operator === '%' && typeof a === 'string') return formatPercent(a, b)
  return unsupported(operator, a, b)
}

function unsupported(operator: string, a: Value, b: Value): never {
  throw new TemplateError(
    `unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`,
  )
}

function repeat(value: Value, times: number): Value {
  const count = Math.max(0, times)
  if (typeof value === 'string') {
    requireText(value.length * count)
    return value.repeat(count)
  }
  if (!isList(value)) return undefined
  const items = iterate(value)
  requireList(items.length * count)
  const repeated = Array.from({ length: count }, () => items).flat()
  return Array.isArray(value) ? repeated : new Tuple(repeated)
}

function numbers(operator: string, left: number | boolean | Float, right: number | boolean | Float): Value {
  const [a, b] = [numberOf(left), numberOf(right)]
  const floats = left instanceof Float || right instanceof Float
  const same = (value: number): Value => (floats ? new Float(value) : value)
  if (['/', '//', '%'].includes(operator) && b === 0) throw new TemplateError('division by zero')
  switch (operator) {
    case '+':
      return same(a + b)
    case '-':
      return same(a - b)
    case '*':
      return same(a * b)
    case '/':
      return new Float(a / b)
    case '//':
      return same(Math.floor(a / b))
    case '%':
      return same(a - b * Math.floor(a / b))
    default:
      return floats || b < 0 ? new Float(a ** b) : a ** b
  }
}

export function compares(operator: string, a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
      return equal(a, b)
    case '!=':
      return !equal(a, b)
    case 'in':
      return contains(b, a)
    case 'not in':
      return !contains(b, a)
    case '<':
      return compare(a, b) < 0
    case '<=':
      return compare(a, b) <= 0
    case '>':
      return compare(a, b) > 0
    default:
      return compare(a, b) >= 0
  }
}

/** Items by index from either end; undefined beyond them. */
export function itemAt(items: readonly Value[], index: number): Value {
  return items[index < 0 ? items.length + index : index]
}

/** `[start:stop:step]`, missing ones undefined or None. */
export function slice(value: Value, bounds: readonly Value[]): Value {
  const items = typeof value === 'string' || isList(value) ? iterate(value) : undefined
  if (!items) throw new TemplateError(`'${typeName(value)}' object cannot be sliced`)
  const whole = (bound: Value): number | undefined => {
    if (bound === undefined || bound === null) return undefined
    if (typeof bound === 'number') return bound
    throw new TemplateError('slice indices must be integers or None')
  }
  const step = whole(bounds[2]) ?? 1
  if (step === 0) throw new TemplateError('slice step cannot be zero')
  const count = items.length
  const clamp = (bound: number | undefined, fallback: number) =>
    bound === undefined
      ? fallback
      : Math.min(Math.max(bound < 0 ? bound + count : bound, step < 0 ? -1 : 0), step < 0 ? count - 1 : count)
  const start = clamp(whole(bounds[0]), step < 0 ? count - 1 : 0)
  const stop = clamp(whole(bounds[1]), step < 0 ? -1 : count)
  const taken: Value[] = []
  for (let i = start; step < 0 ? i > stop : i < stop; i += step) taken.push(items[i])
  return typeof value === 'string'
    ? taken.map(text).join('')
    : Array.isArray(value)
      ? taken
      : new Tuple(taken)
}
