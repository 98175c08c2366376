import { requireText } from './limits.ts'
import {
  characters,
  Float,
  floatText,
  isNumber,
  iterate,
  numberOf,
  represent,
  text,
  TemplateError,
  Tuple,
  type Call,
  type Value,
} from './values.ts'

/** `'%s is %d' % values`. */
export function formatPercent(pattern: string, values: Value): string {
  const items = values instanceof Tuple ? iterate(values) : [values]
  let used = 0
  const out = pattern.replace(
    /%(?:\((\w+)\))?([-+ 0#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (
      _,
      name: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      type: string,
    ) => {
      if (type === '%') return '%'
      const value = name === undefined ? items[used++] : values instanceof Map ? values.get(name) : undefined
      if (name === undefined && used > items.length)
        throw new TemplateError('not enough arguments for format string')
      const align = flags.includes('-') ? '<' : flags.includes('0') && isNumber(value) ? '=' : '>'
      const sign = /[+ ]/.exec(flags)?.[0] ?? ''
      const kind = type === 'i' || type === 'u' ? 'd' : type
      const shown =
        kind === 's' || kind === 'r'
          ? characters(kind === 's' ? text(value) : represent(value))
              .slice(0, precision === undefined ? undefined : Number(precision))
              .join('')
          : formatNumber(value, kind, sign, precision === undefined ? undefined : Number(precision), '')
      return pad(shown, align === '=' ? '0' : ' ', align, Number(width ?? 0))
    },
  )
  if (used < items.length && !(values instanceof Map))
    throw new TemplateError('not all arguments converted during string formatting')
  return out
}

/** `'{} is {name:>5}'.format(…)`. */
export function formatBraces(pattern: string, { positional, named }: Call): string {
  let next = 0
  return pattern.replace(
    /\{\{|\}\}|\{([^{}:!]*)(![rs])?(?::([^{}]*))?\}/g,
    (all, field: string | undefined, shown?: string, spec = '') => {
      if (all === '{{' || all === '}}') return all.slice(1)
      const name = field ?? ''
      const value =
        name === '' ? positional[next++] : /^\d+$/.test(name) ? positional[Number(name)] : named.get(name)
      if (value === undefined) throw new TemplateError(`format() has no value for {${name}}`)
      return formatSpec(shown === '!r' ? represent(value) : value, spec)
    },
  )
}

function formatSpec(value: Value, spec: string): string {
  const found = /^(?:(.)?([<>=^]))?([-+ ]?)(0?)(\d+)?(,?)(?:\.(\d+))?([a-zA-Z%]?)$/u.exec(spec)
  if (!found) throw new TemplateError(`Invalid format specifier '${spec}'`)
  const [, fill, align, sign = '', zero, width, comma = '', precision, type = ''] = found
  const number = isNumber(value) && typeof value !== 'boolean'
  const digits = precision === undefined ? undefined : Number(precision)
  const shown =
    number && type !== 's'
      ? formatNumber(value, type, sign, digits, comma)
      : characters(text(value)).slice(0, digits).join('')
  return pad(
    shown,
    fill ?? (zero ? '0' : ' '),
    align ?? (number ? (zero ? '=' : '>') : '<'),
    Number(width ?? 0),
  )
}

function formatNumber(
  value: Value,
  type: string,
  sign: string,
  digits: number | undefined,
  comma: string,
): string {
  if (!isNumber(value)) throw new TemplateError(`a number is required, not ${represent(value)}`)
  const number = numberOf(value)
  const size = Math.abs(number)
  let shown: string
  if (type === 'd') shown = String(Math.trunc(size))
  else if (/^[fF]$/.test(type)) shown = size.toFixed(digits ?? 6)
  else if (type === '%') shown = `${(size * 100).toFixed(digits ?? 6)}%`
  else if (/^[xXob]$/.test(type)) shown = Math.trunc(size).toString(type === 'o' ? 8 : type === 'b' ? 2 : 16)
  else if (/^[eE]$/.test(type)) shown = size.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, 'e$10$2')
  else if (type === '' || type === 'g')
    shown =
      digits === undefined
        ? value instanceof Float
          ? floatText(size)
          : String(size)
        : String(Number(size.toPrecision(digits)))
  else throw new TemplateError(`Unknown format code '${type}'`)
  if (comma) shown = shown.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ','))
  if (/^[XE]$/.test(type)) shown = shown.toUpperCase()
  return (number < 0 || Object.is(number, -0) ? '-' : sign === '-' ? '' : sign) + shown
}

function pad(shown: string, fill: string, align: string, width: number): string {
  const missing = Math.max(0, width - characters(shown).length)
  if (missing === 0) return shown
  requireText(missing)
  if (align === '<') return shown + fill.repeat(missing)
  if (align === '^') return fill.repeat(missing >> 1) + shown + fill.repeat(missing - (missing >> 1))
  const sign = align === '=' ? (/^[-+ ]/.exec(shown)?.[0] ?? '') : ''
  return sign + fill.repeat(missing) + shown.slice(sign.length)
}
