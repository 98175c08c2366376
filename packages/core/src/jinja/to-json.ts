import { Parameters } from './parameters.ts'
import {
  Float,
  floatText,
  isList,
  isNumber,
  iterate,
  numberOf,
  Tuple,
  TemplateError,
  typeName,
  View,
  type Call,
  type Value,
} from './values.ts'

interface Style {
  readonly indent: string | undefined
  readonly item: string
  readonly key: string
  readonly ascii: boolean
  readonly sorted: boolean
}

/** As Python's json.dumps writes it, in the form that chat templates are given: no HTML escapes, other characters than ASCII as they are. */
export function toJson(value: Value, call: Call): string {
  const given = new Parameters('tojson', call, ['ensure_ascii', 'indent', 'separators', 'sort_keys'])
  const wanted = given.get('indent', null)
  const indent =
    typeof wanted === 'number'
      ? ' '.repeat(Math.max(0, wanted))
      : typeof wanted === 'string'
        ? wanted
        : undefined
  const separators = given.get('separators', null)
  const [item, key] = isList(separators) ? iterate(separators) : [indent === undefined ? ', ' : ',', ': ']
  if (typeof item !== 'string' || typeof key !== 'string')
    throw new TemplateError('separators must be two texts')
  return write(
    value,
    { indent, item, key, ascii: given.flag('ensure_ascii'), sorted: given.flag('sort_keys') },
    '\n',
  )
}

function write(value: Value, style: Style, line: string): string {
  if (typeof value === 'string') return quote(value, style)
  if (value === null || typeof value === 'boolean') return String(value)
  if (value instanceof Float) return floatText(value.value).replace('inf', 'Infinity').replace('nan', 'NaN')
  if (typeof value === 'number') return String(value)
  const inner = style.indent === undefined ? '' : line + style.indent
  const whole = (open: string, parts: readonly string[], close: string) =>
    parts.length === 0
      ? open + close
      : `${open}${inner}${parts.join(style.item + inner)}${style.indent === undefined ? '' : line}${close}`
  if (Array.isArray(value) || value instanceof Tuple)
    return whole(
      '[',
      iterate(value).map((each) => write(each, style, inner)),
      ']',
    )
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]): [string, Value] => [keyText(key), each])
    if (style.sorted) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return whole(
      '{',
      entries.map(([key, each]) => `${quote(key, style)}${style.key}${write(each, style, inner)}`),
      '}',
    )
  }
  throw new TemplateError(
    `Object of type ${value instanceof View ? value.name : typeName(value)} is not JSON serializable`,
  )
}

function keyText(key: Value): string {
  if (typeof key === 'string') return key
  if (key === null || typeof key === 'boolean') return String(key)
  return isNumber(key) ? String(numberOf(key)) : ''
}

function quote(text: string, { ascii }: Style): string {
  const quoted = JSON.stringify(text)
  if (!ascii) return quoted
  return quoted.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
