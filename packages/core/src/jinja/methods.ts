import { formatBraces } from './format.ts'
import { checkText, requireText } from './limits.ts'
import { Parameters } from './parameters.ts'
import {
  Callable,
  characters,
  equal,
  Float,
  isNumber,
  iterate,
  keyOf,
  numberOf,
  text,
  TemplateError,
  Tuple,
  View,
  type Call,
  type Value,
} from './values.ts'

type Method<T> = (self: T, call: Call) => Value

/** A method of a value bound to it; undefined where there is none of that name. Methods that change a value are refused. */
export function methodOf(value: Value, name: string): Value {
  if (typeof value === 'string') return bind(texts, value, name)
  if (value instanceof Map) return bind(dicts, value, name)
  if (Array.isArray(value)) return bind(lists, value, name)
  if (value instanceof Tuple) return bind(tuples, [...value.items], name)
  if (value instanceof Float) return bind(floats, value, name)
  return undefined
}

function bind<T>(methods: Readonly<Record<string, Method<T>>>, self: T, name: string): Value {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined
  return method && new Callable(name, (call) => method(self, call))
}

const args = (owner: string, call: Call, ...names: string[]) => new Parameters(owner, call, names)
const changes = (name: string) => () => {
  throw new TemplateError(`${name}() would change a value, which templates may not do`)
}

const count = (items: readonly Value[], item: Value) => items.filter((each) => equal(each, item)).length
const index = (items: readonly Value[], item: Value) => {
  const at = items.findIndex((each) => equal(each, item))
  if (at < 0) throw new TemplateError('the item is not in the list')
  return at
}

const tuples: Readonly<Record<string, Method<Value[]>>> = {
  count: (self, call) => count(self, call.positional[0]),
  index: (self, call) => index(self, call.positional[0]),
}

const lists: Readonly<Record<string, Method<Value[]>>> = {
  ...tuples,
  copy: (self) => [...self],
  ...Object.fromEntries(
    ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort'].map((name) => [
      name,
      changes(name),
    ]),
  ),
}

const floats: Readonly<Record<string, Method<Float>>> = { is_integer: ({ value }) => Number.isInteger(value) }

const dicts: Readonly<Record<string, Method<Map<Value, Value>>>> = {
  get: (self, call) => {
    const given = args('get', call, 'key', 'default')
    const key = keyOf(given.get('key'))
    return self.has(key) ? self.get(key) : given.get('default', null)
  },
  keys: (self) => new View('dict_keys', [...self.keys()]),
  values: (self) => new View('dict_values', [...self.values()]),
  items: (self) =>
    new View(
      'dict_items',
      [...self].map((entry) => new Tuple(entry)),
    ),
  copy: (self) => new Map(self),
  ...Object.fromEntries(
    ['clear', 'pop', 'popitem', 'setdefault', 'update'].map((name) => [name, changes(name)]),
  ),
}

const SPACE = '[\\p{White_Space}\\x1c-\\x1f]'
const strip = (self: string, call: Call, left: boolean, right: boolean): string => {
  const set = args('strip', call, 'chars').get('chars', null)
  const given = typeof set === 'string' ? new Set(set) : undefined
  const isOut = (character: string | undefined) =>
    character !== undefined && (given ? given.has(character) : new RegExp(SPACE, 'u').test(character))
  const all = characters(self)
  let [from, to] = [0, all.length]
  if (left) while (from < to && isOut(all[from])) from++
  if (right) while (to > from && isOut(all[to - 1])) to--
  return all.slice(from, to).join('')
}

function split(self: string, call: Call, fromRight: boolean): Value {
  const given = args('split', call, 'sep', 'maxsplit')
  const separator = given.get('sep', null)
  const most = given.whole('maxsplit', -1)
  if (separator === '') throw new TemplateError('empty separator')
  if (typeof separator === 'string') {
    const parts = self.split(separator)
    if (most < 0 || parts.length <= most + 1) return parts
    return fromRight
      ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
      : [...parts.slice(0, most), parts.slice(most).join(separator)]
  }
  const words: string[] = []
  let rest = fromRight ? strip(self, NO_ARGUMENTS, false, true) : strip(self, NO_ARGUMENTS, true, false)
  while (rest !== '') {
    const found = new RegExp(fromRight ? `${SPACE}+(?=\\S+$)` : `${SPACE}+`, 'u').exec(rest)
    if ((most >= 0 && words.length >= most) || !found) {
      words.push(rest)
      break
    }
    words.push(fromRight ? rest.slice(found.index + found[0].length) : rest.slice(0, found.index))
    rest = fromRight ? rest.slice(0, found.index) : rest.slice(found.index + found[0].length)
    if (fromRight) rest = strip(rest, NO_ARGUMENTS, false, true)
  }
  return fromRight ? words.reverse() : words
}

const BREAKS = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
const LINE = new RegExp(`[^${BREAKS}]*(?:\\r\\n|[${BREAKS}])|[^${BREAKS}]+$`, 'g')
const LINE_END = new RegExp(`(?:\\r\\n|[${BREAKS}])$`)

const NO_ARGUMENTS: Call = { positional: [], named: new Map() }

const title = (self: string) =>
  self.replace(/\p{L}+/gu, (word) => {
    const [first = '', ...rest] = characters(word)
    return first.toUpperCase() + rest.join('').toLowerCase()
  })
const capitalize = (self: string) => {
  const [first = '', ...rest] = characters(self)
  return first.toUpperCase() + rest.join('').toLowerCase()
}

const edges = (
  self: string,
  { positional: [wanted, start, stop] }: Call,
  test: (self: string, text: string) => boolean,
) => {
  const part = characters(self)
    .slice(Number(start ?? 0), stop === undefined || stop === null ? undefined : Number(stop))
    .join('')
  const all = typeof wanted === 'string' ? [wanted] : wanted instanceof Tuple ? wanted.items : undefined
  if (!all?.every((each) => typeof each === 'string'))
    throw new TemplateError('expected a text or a tuple of texts')
  return all.some((each) => test(part, each))
}

const find = (self: string, call: Call, last: boolean): number => {
  const wanted = args('find', call, 'sub', 'start', 'end').text('sub')
  const at = last ? self.lastIndexOf(wanted) : self.indexOf(wanted, Number(call.positional[1] ?? 0))
  return at < 0 ? -1 : characters(self.slice(0, at)).length
}
const found = (at: number): number => {
  if (at < 0) throw new TemplateError('substring not found')
  return at
}

const replace = (self: string, call: Call): string => {
  const given = args('replace', call, 'old', 'new', 'count')
  const [from, to] = [given.text('old'), given.text('new')]
  let left = given.whole('count', -1)
  if (left < 0) return checkText(self.replaceAll(from, () => to))
  return self.replaceAll(from, (match) => (left-- > 0 ? to : match))
}

const justify = (self: string, call: Call, left: (missing: number) => number): string => {
  const given = args('center', call, 'width', 'fillchar')
  const fill = given.text('fillchar', ' ')
  const missing = Math.max(0, given.whole('width') - characters(self).length)
  requireText(missing)
  return fill.repeat(left(missing)) + self + fill.repeat(missing - left(missing))
}

const partition = (self: string, call: Call, last: boolean): Value => {
  const separator = args('partition', call, 'sep').text('sep')
  const at = last ? self.lastIndexOf(separator) : self.indexOf(separator)
  if (at < 0) return new Tuple(last ? ['', '', self] : [self, '', ''])
  return new Tuple([self.slice(0, at), separator, self.slice(at + separator.length)])
}

const are = (pattern: RegExp) => (self: string) => pattern.test(self)

const texts: Readonly<Record<string, Method<string>>> = {
  upper: (self) => self.toUpperCase(),
  lower: (self) => self.toLowerCase(),
  casefold: (self) => self.toLowerCase().replaceAll('ß', 'ss'),
  title,
  capitalize,
  swapcase: (self) =>
    characters(self)
      .map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()))
      .join(''),
  strip: (self, call) => strip(self, call, true, true),
  lstrip: (self, call) => strip(self, call, true, false),
  rstrip: (self, call) => strip(self, call, false, true),
  split: (self, call) => split(self, call, false),
  rsplit: (self, call) => split(self, call, true),
  splitlines: (self, call) => {
    const keep = args('splitlines', call, 'keepends').flag('keepends')
    const lines = self.match(LINE) ?? []
    return keep ? [...lines] : lines.map((line) => line.replace(LINE_END, ''))
  },
  join: (self, call) => checkText(iterate(call.positional[0]).map(onlyText).join(self)),
  replace,
  startswith: (self, call) => edges(self, call, (part, wanted) => part.startsWith(wanted)),
  endswith: (self, call) => edges(self, call, (part, wanted) => part.endsWith(wanted)),
  removeprefix: (self, call) => {
    const prefix = args('removeprefix', call, 'prefix').text('prefix')
    return self.startsWith(prefix) ? self.slice(prefix.length) : self
  },
  removesuffix: (self, call) => {
    const suffix = args('removesuffix', call, 'suffix').text('suffix')
    return suffix !== '' && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self
  },
  find: (self, call) => find(self, call, false),
  rfind: (self, call) => find(self, call, true),
  index: (self, call) => found(find(self, call, false)),
  rindex: (self, call) => found(find(self, call, true)),
  count: (self, call) => {
    const wanted = args('count', call, 'sub').text('sub')
    return wanted === '' ? characters(self).length + 1 : self.split(wanted).length - 1
  },
  partition: (self, call) => partition(self, call, false),
  rpartition: (self, call) => partition(self, call, true),
  center: (self, call) => justify(self, call, (missing) => missing >> 1),
  ljust: (self, call) => justify(self, call, () => 0),
  rjust: (self, call) => justify(self, call, (missing) => missing),
  zfill: (self, call) => {
    const sign = /^[-+]/.exec(self)?.[0] ?? ''
    return (
      sign + self.slice(sign.length).padStart(args('zfill', call, 'width').whole('width') - sign.length, '0')
    )
  },
  expandtabs: (self, call) => {
    const size = args('expandtabs', call, 'tabsize').whole('tabsize', 8)
    let column = 0
    return self.replace(/\t|[\r\n]|[^\t\r\n]+/g, (part) => {
      const shown = part === '\t' ? ' '.repeat(size > 0 ? size - (column % size) : 0) : part
      column = /[\r\n]/.test(part) ? 0 : column + characters(shown).length
      return shown
    })
  },
  format: formatBraces,
  isalpha: are(/^\p{L}+$/u),
  isalnum: are(/^[\p{L}\p{N}]+$/u),
  isdigit: are(/^[\p{Nd}²³¹\u2070-\u2089]+$/u),
  isdecimal: are(/^\p{Nd}+$/u),
  isnumeric: are(/^\p{N}+$/u),
  isascii: (self) => characters(self).every((c) => (c.codePointAt(0) ?? 0) < 128),
  isspace: are(new RegExp(`^${SPACE}+$`, 'u')),
  islower: (self) => self === self.toLowerCase() && self !== self.toUpperCase(),
  isupper: (self) => self === self.toUpperCase() && self !== self.toLowerCase(),
  istitle: (self) => self === title(self) && self.toLowerCase() !== self.toUpperCase(),
  isidentifier: are(/^[\p{L}_][\p{L}\p{M}\p{N}_]*$/u),
}

function onlyText(value: Value): string {
  if (typeof value === 'string') return value
  throw new TemplateError(
    `join() expected texts but found ${isNumber(value) ? String(numberOf(value)) : text(value)}`,
  )
}

export { capitalize, justify, replace, strip }
