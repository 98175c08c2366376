/**
 * Values of templates with the semantics of Python. Texts, truth values and None are those of JavaScript, whole numbers are
 * numbers; undefined is a variable or field that is not there.
 */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | string
  | Float
  | Tuple
  | Namespace
  | View
  | Callable
  | Value[]
  | Map<Value, Value>

/** A number with a point; whole ones too. */
export class Float {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export class Tuple {
  readonly items: readonly Value[]
  /** Names of items, where they have some. */
  readonly fields: ReadonlyMap<string, Value>

  constructor(items: readonly Value[], fields: ReadonlyMap<string, Value> = new Map()) {
    this.items = items
    this.fields = fields
  }
}

/** The one thing whose fields a template may set. */
export class Namespace {
  readonly fields: Map<string, Value>

  constructor(fields: Map<string, Value>) {
    this.fields = fields
  }
}

/** What is gone through but no list: a range, the keys of a dict. */
export class View {
  readonly name: string
  readonly items: readonly Value[]

  constructor(name: string, items: readonly Value[]) {
    this.name = name
    this.items = items
  }
}

/** Arguments as a function receives them. */
export interface Call {
  readonly positional: readonly Value[]
  readonly named: ReadonlyMap<string, Value>
}

export class Callable {
  readonly name: string
  readonly call: (call: Call) => Value
  /** Fields, such as `name` of a macro. */
  readonly fields: ReadonlyMap<string, Value>

  constructor(name: string, call: (call: Call) => Value, fields: ReadonlyMap<string, Value> = new Map()) {
    this.name = name
    this.call = call
    this.fields = fields
  }
}

/** A template that asks for what cannot be; the message says what. */
export class TemplateError extends Error {}

export const isNumber = (value: Value): value is number | boolean | Float =>
  typeof value === 'number' || typeof value === 'boolean' || value instanceof Float

export const numberOf = (value: number | boolean | Float): number =>
  value instanceof Float ? value.value : Number(value)

export const isList = (value: Value): value is Value[] | Tuple =>
  Array.isArray(value) || value instanceof Tuple

export function typeName(value: Value): string {
  if (value === undefined) return 'undefined'
  if (value === null) return 'None'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number') return 'int'
  if (typeof value === 'string') return 'str'
  if (value instanceof Float) return 'float'
  if (value instanceof Tuple) return 'tuple'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Map) return 'dict'
  return value instanceof View || value instanceof Callable ? value.name : 'namespace'
}

export function truth(value: Value): boolean {
  if (isNumber(value)) return numberOf(value) !== 0
  if (typeof value === 'string') return value !== ''
  if (value === undefined || value === null) return false
  return lengthOf(value) !== 0
}

/** Undefined where a value has no length. */
export function lengthOf(value: Value): number | undefined {
  if (value === undefined) return 0
  if (typeof value === 'string') return characters(value).length
  if (value instanceof Map) return value.size
  if (Array.isArray(value)) return value.length
  if (value instanceof Tuple || value instanceof View) return value.items.length
  return undefined
}

/** Texts are sequences of characters, not of UTF-16 units. */
export const characters = (text: string): readonly string[] => Array.from(text)

/** What a loop goes through. */
export function iterate(value: Value): readonly Value[] {
  if (value === undefined) return []
  if (typeof value === 'string') return characters(value)
  if (Array.isArray(value)) return value
  if (value instanceof Tuple || value instanceof View) return value.items
  if (value instanceof Map) return [...value.keys()]
  throw new TemplateError(`'${typeName(value)}' object is not iterable`)
}

export function equal(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return numberOf(a) === numberOf(b)
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => has(b, key) && equal(value, b.get(keyOf(key))))
  for (const kind of [Array.isArray, (v: Value) => v instanceof Tuple, (v: Value) => v instanceof View])
    if (kind(a) && kind(b)) return sameItems(iterate(a), iterate(b))
  return a === b
}

const sameItems = (a: readonly Value[], b: readonly Value[]) =>
  a.length === b.length && a.every((item, i) => equal(item, b[i]))

/** Keys of a dict: 1, 1.0 and True are one. */
export function keyOf(key: Value): Value {
  if (isNumber(key)) return numberOf(key)
  if (typeof key === 'string' || key === null) return key
  throw new TemplateError(`${typeName(key)} cannot be a key of a dict`)
}

const has = (dict: Map<Value, Value>, key: Value): boolean => dict.has(keyOf(key))

/** Below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) return numberOf(a) - numberOf(b)
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b)
  if ((Array.isArray(a) && Array.isArray(b)) || (a instanceof Tuple && b instanceof Tuple)) {
    const [left, right] = [iterate(a), iterate(b)]
    const at = left.findIndex((item, i) => i >= right.length || !equal(item, right[i]))
    return at < 0 ? left.length - right.length : at >= right.length ? 1 : compare(left[at], right[at])
  }
  throw new TemplateError(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`)
}

/** By code points; UTF-16 units sort some of them elsewhere. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  const [left, right] = [characters(a), characters(b)]
  const at = left.findIndex((character, i) => character !== right[i])
  if (at < 0) return -1
  if (at >= right.length) return 1
  return (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0)
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item === 'string') return container.includes(item)
    throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
  }
  if (container instanceof Map)
    return (isNumber(item) || typeof item === 'string' || item === null) && has(container, item)
  return iterate(container).some((each) => equal(each, item))
}

/** As Python prints it. */
export function text(value: Value): string {
  if (typeof value === 'string') return value
  if (value === undefined) return ''
  return represent(value)
}

/** As Python shows it inside lists. */
export function represent(value: Value): string {
  if (value === undefined) return 'Undefined'
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Float) return floatText(value.value)
  if (Array.isArray(value)) return `[${value.map(represent).join(', ')}]`
  if (value instanceof Tuple)
    return `(${value.items.map(represent).join(', ')}${value.items.length === 1 ? ',' : ''})`
  if (value instanceof Map) return dictText(value)
  if (value instanceof View)
    return value.name === 'range'
      ? `range(${text(value.items[0] ?? 0)}, ${value.items.length + Number(value.items[0] ?? 0)})`
      : `${value.name}([${value.items.map(represent).join(', ')}])`
  if (value instanceof Namespace) return `<Namespace ${dictText(value.fields)}>`
  return `<function ${value.name}>`
}

const dictText = (dict: ReadonlyMap<Value, Value>) =>
  `{${[...dict].map(([key, item]) => `${represent(key)}: ${represent(item)}`).join(', ')}}`

export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4))
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  const plain = Object.is(value, -0) ? '-0' : String(value)
  return plain.includes('.') ? plain : `${plain}.0`
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

function quoted(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const inner = value.replace(/[\\\n\r\t'"]|(?! )[\p{C}\p{Z}]/gu, (character) => {
    if (character === "'" || character === '"') return character === quote ? `\\${character}` : character
    const code = character.codePointAt(0) ?? 0
    return (
      escapes[character] ??
      (code < 0x100
        ? `\\x${code.toString(16).padStart(2, '0')}`
        : code < 0x10000
          ? `\\u${code.toString(16).padStart(4, '0')}`
          : `\\U${code.toString(16).padStart(8, '0')}`)
    )
  })
  return `${quote}${inner}${quote}`
}

/** A value from outside: plain JSON. */
export function fromJson(value: unknown): Value {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || value === undefined)
    return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Float(value)
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value === 'object')
    return new Map(Object.entries(value).map(([key, item]): [Value, Value] => [key, fromJson(item)]))
  throw new TemplateError(`a ${typeof value} cannot be passed to a template`)
}
