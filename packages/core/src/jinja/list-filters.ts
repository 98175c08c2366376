import { calculate, itemAt } from './arithmetic.ts'
import type { Filter, FilterHost } from './filters.ts'
import { checkText } from './limits.ts'
import { Parameters } from './parameters.ts'
import {
  characters,
  compare,
  equal,
  iterate,
  text,
  TemplateError,
  truth,
  Tuple,
  type Call,
  type Value,
} from './values.ts'

const args = (owner: string, call: Call, ...names: string[]) => new Parameters(owner, call, names)

/** A field by a path such as `a.b.0`; what is missing on the way is the fallback. */
function path(value: Value, attribute: Value, host: FilterHost, fallback?: Value): Value {
  const parts = typeof attribute === 'string' ? attribute.split('.') : [attribute]
  return parts.reduce<Value>(
    (at, part) =>
      host.item(at, typeof part === 'string' && /^\d+$/.test(part) ? Number(part) : part) ?? fallback,
    value,
  )
}

/** What items are sorted and compared by: a field, and texts without case. */
function keyOf(given: Parameters, host: FilterHost): (item: Value) => Value {
  const attribute = given.get('attribute', null)
  const exact = given.flag('case_sensitive')
  const fold = (value: Value) => (!exact && typeof value === 'string' ? value.toLowerCase() : value)
  if (attribute === null) return fold
  const several = typeof attribute === 'string' && attribute.includes(',')
  if (!several) return (item) => fold(path(item, attribute, host))
  return (item) => new Tuple(attribute.split(',').map((each) => fold(path(item, each.trim(), host))))
}

function sorted(items: readonly Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }))
  keyed.sort((a, b) => (reverse ? compare(b.key, a.key) : compare(a.key, b.key)))
  return keyed.map(({ item }) => item)
}

const extreme =
  (name: string, sign: number): Filter =>
  (value, call, host) => {
    const key = keyOf(args(name, call, 'case_sensitive', 'attribute'), host)
    let [best, ...rest] = iterate(value)
    for (const item of rest) if (sign * compare(key(item), key(best)) > 0) best = item
    return best
  }

/** `select`, `reject` and their forms for a field. */
const chosen =
  (keep: boolean, byField: boolean): Filter =>
  (value, { positional }, host) => {
    const [field, name, ...rest] = byField ? positional : [undefined, ...positional]
    const pass = (item: Value) => {
      const looked = byField ? path(item, field, host) : item
      return typeof name === 'string' ? host.test(name, looked, rest) : truth(looked)
    }
    return iterate(value).filter((item) => pass(item) === keep)
  }

/** A part of a sequence, filled up to a length. */
const filled = (items: readonly Value[], length: number, fill: Value): Value[] =>
  fill === null || items.length >= length
    ? [...items]
    : [...items, ...Array.from({ length: length - items.length }, () => fill)]

export const listFilters: Readonly<Record<string, Filter>> = {
  list: (value) => [...iterate(value)],
  first: (value) => itemAt(iterate(value), 0),
  last: (value) => itemAt(iterate(value), -1),
  reverse: (value) =>
    typeof value === 'string' ? characters(value).toReversed().join('') : iterate(value).toReversed(),
  join: (value, call, host) => {
    const given = args('join', call, 'd', 'attribute')
    const attribute = given.get('attribute', null)
    const items = iterate(value).map((item) => (attribute === null ? item : path(item, attribute, host)))
    return checkText(items.map(text).join(text(given.get('d', ''))))
  },
  sort: (value, call, host) => {
    const given = args('sort', call, 'reverse', 'case_sensitive', 'attribute')
    return sorted(iterate(value), keyOf(given, host), given.flag('reverse'))
  },
  dictsort: (value, call, host) => {
    const given = args('dictsort', call, 'case_sensitive', 'by', 'reverse')
    const by = given.text('by', 'key')
    if (by !== 'key' && by !== 'value')
      throw new TemplateError('You can only sort by either "key" or "value"')
    if (!(value instanceof Map)) throw new TemplateError('dictsort needs a dict')
    const fold = keyOf(given, host)
    const entries = [...value].map((entry) => new Tuple(entry))
    return sorted(
      entries,
      (entry) => fold(itemAt(iterate(entry), by === 'key' ? 0 : 1)),
      given.flag('reverse'),
    )
  },
  unique: (value, call, host) => {
    const key = keyOf(args('unique', call, 'case_sensitive', 'attribute'), host)
    const seen: Value[] = []
    return iterate(value).filter((item) => {
      const own = key(item)
      if (seen.some((each) => equal(each, own))) return false
      seen.push(own)
      return true
    })
  },
  min: extreme('min', -1),
  max: extreme('max', 1),
  sum: (value, call, host) => {
    const given = args('sum', call, 'attribute', 'start')
    const attribute = given.get('attribute', null)
    return iterate(value).reduce<Value>(
      (total, item) => calculate('+', total, attribute === null ? item : path(item, attribute, host)),
      given.get('start', 0),
    )
  },
  map: (value, call, host) => {
    const [name, ...rest] = call.positional
    if (typeof name === 'string')
      return iterate(value).map((item) => host.filter(name, item, { positional: rest, named: call.named }))
    const given = args('map', call, 'attribute', 'default')
    const attribute = given.get('attribute')
    return iterate(value).map((item) => path(item, attribute, host, given.get('default')))
  },
  select: chosen(true, false),
  reject: chosen(false, false),
  selectattr: chosen(true, true),
  rejectattr: chosen(false, true),
  groupby: (value, call, host) => {
    const given = args('groupby', call, 'attribute', 'default', 'case_sensitive')
    const key = keyOf(given, host)
    const own = (item: Value) => key(item) ?? given.get('default')
    const groups: [Value, Value[]][] = []
    for (const item of sorted(iterate(value), own, false)) {
      const last = groups.at(-1)
      if (last && equal(own(item), own(last[1][0]))) last[1].push(item)
      else groups.push([path(item, given.get('attribute'), host, given.get('default')), [item]])
    }
    return groups.map(
      ([grouper, list]) =>
        new Tuple(
          [grouper, list],
          new Map([
            ['grouper', grouper],
            ['list', list],
          ]),
        ),
    )
  },
  batch: (value, call) => {
    const given = args('batch', call, 'linecount', 'fill_with')
    const size = Math.max(1, given.whole('linecount'))
    const items = iterate(value)
    return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
      filled(items.slice(i * size, (i + 1) * size), size, given.get('fill_with', null)),
    )
  },
  slice: (value, call) => {
    const given = args('slice', call, 'slices', 'fill_with')
    const count = Math.max(1, given.whole('slices'))
    const items = iterate(value)
    const [each, more] = [Math.floor(items.length / count), items.length % count]
    let from = 0
    return Array.from({ length: count }, (_, i) => {
      const part = items.slice(from, (from += each + (i < more ? 1 : 0)))
      return filled(part, each + (i >= more && more > 0 ? 1 : 0), given.get('fill_with', null))
    })
  },
}
