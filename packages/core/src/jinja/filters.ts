import { formatPercent } from './format.ts'
import { checkText } from './limits.ts'
import { capitalize, justify, replace, strip } from './methods.ts'
import { Parameters } from './parameters.ts'
import { listFilters } from './list-filters.ts'
import { toJson } from './to-json.ts'
import {
  characters,
  Float,
  isNumber,
  lengthOf,
  numberOf,
  text,
  TemplateError,
  truth,
  Tuple,
  typeName,
  type Call,
  type Value,
} from './values.ts'

/** What filters need of the interpreter: other filters, tests and fields by name. */
export interface FilterHost {
  filter(name: string, value: Value, call: Call): Value
  test(name: string, value: Value, args: readonly Value[]): boolean
  item(value: Value, key: Value): Value
  attribute(value: Value, name: string): Value
}

/** `value | name(arguments)`. */
export type Filter = (value: Value, call: Call, host: FilterHost) => Value

const args = (owner: string, call: Call, ...names: string[]) => new Parameters(owner, call, names)
const length: Filter = (value) => {
  const count = lengthOf(value)
  if (count === undefined) throw new TemplateError(`object of type '${typeName(value)}' has no len()`)
  return count
}
const orDefault: Filter = (value, call) => {
  const given = args('default', call, 'default_value', 'boolean')
  const missing = value === undefined || (given.flag('boolean') && !truth(value))
  return missing ? given.get('default_value', '') : value
}
const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
}
const escape: Filter = (value) => text(value).replace(/[&<>'"]/g, (character) => escapes[character] ?? '')

export const filters: Readonly<Record<string, Filter>> = {
  ...listFilters,
  tojson: toJson,
  string: (value) => text(value),
  safe: (value) => value,
  escape,
  e: escape,
  forceescape: escape,
  default: orDefault,
  d: orDefault,
  length,
  count: length,
  upper: (value) => text(value).toUpperCase(),
  lower: (value) => text(value).toLowerCase(),
  capitalize: (value) => capitalize(text(value)),
  title: (value) =>
    text(value)
      .split(/([-\s({[<]+)/)
      .map((part) => {
        const [first = '', ...rest] = characters(part)
        return first.toUpperCase() + rest.join('').toLowerCase()
      })
      .join(''),
  trim: (value, call) => strip(text(value), call, true, true),
  replace: (value, call) => {
    const named = new Map(
      [...call.named].map(([name, item]): [string, Value] => [name === 's' ? 'old' : name, item]),
    )
    return replace(text(value), { ...call, named })
  },
  indent: (value, call) => {
    const given = args('indent', call, 'width', 'first', 'blank')
    const width = given.get('width', 4)
    const indent = typeof width === 'string' ? width : ' '.repeat(given.whole('width', 4))
    const lines = text(value).split(/\r\n|[\n\r]/)
    const blank = given.flag('blank')
    const shown = lines.map((line, i) => (i > 0 && (blank || line !== '') ? indent + line : line)).join('\n')
    return checkText((given.flag('first') ? indent : '') + shown)
  },
  center: (value, call) => {
    const width = args('center', call, 'width').whole('width', 80)
    return justify(text(value), { positional: [width], named: new Map() }, (missing) => missing >> 1)
  },
  truncate: (value, call) => {
    const given = args('truncate', call, 'length', 'killwords', 'end', 'leeway')
    return truncate(text(value), given)
  },
  wordcount: (value) => (text(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length,
  format: (value, { positional, named }) => {
    if (named.size > 0) return formatPercent(text(value), new Map<Value, Value>(named))
    return formatPercent(text(value), new Tuple(positional))
  },
  urlencode: (value) => {
    if (value instanceof Map || Array.isArray(value))
      throw new TemplateError('urlencode of pairs is not supported')
    const quoted = encodeURIComponent(text(value)).replaceAll('%2F', '/')
    return quoted.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  },
  int: (value, call) => toInteger(value) ?? args('int', call, 'default', 'base').get('default', 0),
  float: (value, call) => {
    const number = isNumber(value)
      ? numberOf(value)
      : typeof value === 'string'
        ? parseNumber(value)
        : undefined
    return number === undefined
      ? args('float', call, 'default').get('default', new Float(0))
      : new Float(number)
  },
  abs: (value) => {
    if (!isNumber(value)) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`)
    return value instanceof Float ? new Float(Math.abs(value.value)) : Math.abs(Number(value))
  },
  round: (value, call) => round(value, args('round', call, 'precision', 'method')),
  attr: (value, call, host) => host.attribute(value, args('attr', call, 'name').text('name')),
  items: (value) => {
    if (value === undefined) return []
    if (value instanceof Map) return [...value].map((entry) => new Tuple(entry))
    throw new TemplateError('Can only get item pairs from a mapping.')
  },
}

const parseNumber = (given: string): number | undefined => {
  const trimmed = given.trim().replace(/(\d)_(?=\d)/g, '$1')
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(trimmed) ? Number(trimmed) : undefined
}

function toInteger(value: Value): number | undefined {
  if (isNumber(value)) return Math.trunc(numberOf(value))
  const number = typeof value === 'string' ? parseNumber(value) : undefined
  return number === undefined ? undefined : Math.trunc(number)
}

function round(value: Value, given: Parameters): Value {
  if (!isNumber(value)) throw new TemplateError(`type ${typeName(value)} doesn't define __round__ method`)
  const factor = 10 ** given.whole('precision', 0)
  const method = given.text('method', 'common')
  const scaled = numberOf(value) * factor
  if (method === 'ceil') return new Float(Math.ceil(scaled) / factor)
  if (method === 'floor') return new Float(Math.floor(scaled) / factor)
  if (!(value instanceof Float)) return Number(value)
  const down = Math.floor(scaled)
  const half = scaled - down
  const nearest = half < 0.5 ? down : half > 0.5 ? down + 1 : down % 2 === 0 ? down : down + 1
  return new Float(nearest / factor)
}

function truncate(value: string, given: Parameters): string {
  const all = characters(value)
  const [most, end] = [given.whole('length', 255), given.text('end', '...')]
  if (all.length <= most + given.whole('leeway', 5)) return value
  const cut = all.slice(0, most - characters(end).length).join('')
  return (given.flag('killwords') ? cut : cut.replace(/ [^ ]*$/, '')) + end
}
