import type { Budget } from '../spec/budget.ts'
import { checkSpec, type CompressionSpec } from '../spec/compression-spec.ts'
import { KvError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { MethodRef } from '../method/method-ref.ts'

/*
 * PRUNER[:k=v,…]+QUANTIZER[:k=v,…][@BUDGET][#heads=query][#0-4:keyBits=8,valueBits=8]… BUDGET: 128t |
 * 64x16 | 25% | 128KiB | 131072B. `@` begins a budget only before a number. Nested values are JSON in
 * single quotes, where a single quote is doubled.
 */

const fail = (text: string, at: number, what: string, hint?: string) =>
  new KvError(
    'KV_INVALID_SPEC',
    `In "${text}", column ${at + 1}: ${what}.`,
    hint === undefined ? {} : { hint },
  )

/** Position of the first character of `stops` outside single quotes, or the end. */
function findOutside(text: string, from: number, stops: string): number {
  let quoted = false
  for (let i = from; i < text.length; i++) {
    if (text[i] === "'") quoted = !quoted
    else if (!quoted && stops.includes(text[i]!)) return i
  }
  if (quoted) throw fail(text, text.length - 1, 'a single quote is never closed')
  return text.length
}

function parseValue(text: string, from: number, to: number): Json {
  const raw = text.slice(from, to)
  if (raw.length === 0) throw fail(text, from, 'a value is missing after "="')
  if (raw.startsWith("'")) {
    if (raw.length < 2 || !raw.endsWith("'")) throw fail(text, from, 'a quoted value must end with its quote')
    try {
      return JSON.parse(raw.slice(1, -1).replaceAll("''", "'")) as Json
    } catch {
      throw fail(text, from, 'the text in single quotes is not JSON', `Quote texts twice: '"like this"'.`)
    }
  }
  if (raw === 'true' || raw === 'false') return raw === 'true'
  if (raw === 'null') return null
  if (isNumber(raw)) return Number(raw)
  if (/^-?(?:\d|\.\d)/.test(raw) && !isName(raw))
    throw fail(text, from, `"${raw}" is neither a number nor a name`)
  return raw
}

const isNumber = (raw: string) =>
  /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(raw) && Number.isFinite(Number(raw))
const isName = (raw: string) => /^[A-Za-z_./~0-9-][A-Za-z0-9_./~-]*$/.test(raw)

function parsePairs(text: string, from: number, to: number): Record<string, Json> {
  const pairs: Record<string, Json> = {}
  for (let at = from; at < to;) {
    const end = Math.min(to, findOutside(text, at, ','))
    const equals = text.indexOf('=', at)
    if (equals < 0 || equals >= end)
      throw fail(text, at, `expected name=value, found "${text.slice(at, end)}"`)
    const name = text.slice(at, equals)
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) throw fail(text, at, `"${name}" is not an option name`)
    if (Object.hasOwn(pairs, name)) throw fail(text, at, `"${name}" is given twice`)
    pairs[name] = parseValue(text, equals + 1, end)
    if (end + 1 === to) throw fail(text, end, 'expected name=value after ","')
    at = end + 1
  }
  if (from >= to) throw fail(text, from, 'expected name=value after ":"')
  return pairs
}

function parseMethodAt(text: string, from: number, to: number, role: string): MethodRef {
  const colon = Math.min(to, findOutside(text, from, ':'))
  const method = text.slice(from, colon)
  if (method.length === 0)
    throw fail(text, from, `the name of a ${role} is missing`, 'none keeps everything.')
  if (!/^[^\s'=,]+$/.test(method)) throw fail(text, from, `"${method}" is not the name of a ${role}`)
  const options = colon < to ? parsePairs(text, colon + 1, to) : {}
  if ('method' in options) throw fail(text, colon + 1, '"method" is not an option')
  return { method, ...options }
}

/** `snapkv:window=16,pool=max`, the value of --prune and --quantize. Throws KV_INVALID_SPEC with the column. */
export const parseMethodText = (text: string): MethodRef => parseMethodAt(text, 0, text.length, 'method')

/** `128t`, `64x16`, `25%`, `128KiB`, the value of --budget. Throws KV_INVALID_SPEC. */
export function parseBudgetText(text: string): Budget {
  const number = String.raw`(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)`
  const match = new RegExp(`^${number}(t|x16|%|B|KiB|MiB|GiB)$`).exec(text)
  if (!match)
    throw new KvError('KV_INVALID_SPEC', `"${text}" is not a budget.`, {
      hint: 'Write 128t (entries), 64x16 (the memory of 64 16-bit entries), 25% (of the prompt) or 128KiB (real bytes).',
    })
  const [, amount = '', unit = ''] = match
  if (unit === 't') return { tokens: Number(amount) }
  if (unit === 'x16') return { fp16Tokens: Number(amount) }
  if (unit === '%') return { fraction: shiftDecimal(amount, -2) }
  return { bytes: unit === 'B' ? Number(amount) : text }
}

/** The decimal text times 10^places, without rounding twice. */
function shiftDecimal(decimal: string, places: number): number {
  const [mantissa, exponent = '0'] = decimal.toLowerCase().split('e')
  return Number(`${mantissa}e${Number(exponent) + places}`)
}

function parseSection(
  text: string,
  from: number,
  to: number,
): { heads: Json } | { layer: Record<string, Json> } {
  const section = text.slice(from, to)
  const range = /^(\d+)-(\d+):/.exec(section)
  if (range) {
    const pairs = parsePairs(text, from + range[0].length, to)
    return { layer: { from: Number(range[1]), to: Number(range[2]), ...pairs } }
  }
  if (section.startsWith('heads=')) return { heads: section.slice('heads='.length) }
  throw fail(text, from, `"#${section}" is neither #heads=… nor a range such as #0-4:keyBits=8`)
}

/** The text form to a spec; nothing is filled in. Throws KV_INVALID_SPEC with the column. */
export function parseSpec(text: string): CompressionSpec {
  const body = findOutside(text, 0, '#')
  const budgetAt = findBudget(text, body)
  const plus = findOutside(text, 0, '+')
  if (plus >= budgetAt)
    throw fail(
      text,
      Math.min(plus, budgetAt),
      'expected PRUNER+QUANTIZER',
      'For instance snapkv:window=16+kivi:bits=4@128KiB.',
    )
  const second = findOutside(text, plus + 1, '+')
  if (second < budgetAt) throw fail(text, second, 'a second "+"; expected one PRUNER+QUANTIZER')
  const prune = parseMethodAt(text, 0, plus, 'pruner')
  const quantize = parseMethodAt(text, plus + 1, budgetAt, 'quantizer')
  const budget = budgetAt < body ? parseBudgetText(text.slice(budgetAt + 1, body)) : undefined
  const layers: Record<string, Json>[] = []
  let heads: Json | undefined
  for (let at = body; at < text.length;) {
    const end = findOutside(text, at + 1, '#')
    const section = parseSection(text, at + 1, end)
    if ('layer' in section) layers.push(section.layer)
    else if (heads !== undefined) throw fail(text, at, '#heads is given twice')
    else heads = section.heads
    at = end
  }
  return checkSpec({ heads, budget, prune, quantize, layers: layers.length > 0 ? layers : undefined })
}

/** Where `@NUMBER` begins the budget, or `end`. */
function findBudget(text: string, end: number): number {
  for (let at = findOutside(text, 0, '@'); at < end; at = findOutside(text, at + 1, '@'))
    if (/\d/.test(text[at + 1] ?? '')) return at
  return end
}

// ---- printing -------------------------------------------------------------------------------------------------------

function printValue(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (
    typeof value === 'number' &&
    isNumber(String(value)) &&
    !String(value).includes('+') &&
    !Object.is(value, -0)
  )
    return String(value)
  if (
    typeof value === 'string' &&
    isName(value) &&
    !isNumber(value) &&
    !['true', 'false', 'null'].includes(value)
  )
    return value
  return `'${JSON.stringify(value).replaceAll("'", "''")}'`
}

const printPairs = (pairs: Record<string, Json | undefined>) =>
  Object.entries(pairs)
    .filter((pair): pair is [string, Json] => pair[1] !== undefined)
    .map(([name, value]) => `${name}=${printValue(value)}`)
    .join(',')

/** The text of a method and its options: `snapkv:window=16`. */
export function printMethod({ method, ...options }: MethodRef): string {
  const pairs = printPairs(options)
  return pairs ? `${method}:${pairs}` : method
}

/** The text of a budget: `128t`, `64x16`, `25%`, `128KiB`. */
export function printBudget(budget: Budget): string {
  if ('tokens' in budget) return `${budget.tokens}t`
  if ('fp16Tokens' in budget) return `${budget.fp16Tokens}x16`
  if ('fraction' in budget) return `${printPercent(String(budget.fraction))}%`
  return typeof budget.bytes === 'number' ? `${budget.bytes}B` : budget.bytes
}

/** The decimal text of a fraction as per cent, exactly. */
function printPercent(fraction: string): string {
  if (fraction.includes('e')) {
    const [mantissa, exponent] = fraction.split('e')
    return `${mantissa}e${Number(exponent) + 2}`
  }
  const [whole = '0', decimals = ''] = fraction.split('.')
  const digits = `${whole}${decimals.padEnd(2, '0')}`
  const split = whole.length + 2
  const head = digits.slice(0, split).replace(/^0+(?=\d)/, '')
  const tail = digits.slice(split)
  return tail ? `${head}.${tail}` : head
}

/** The canonical text of a spec. parseSpec(printSpec(s)) equals s; printSpec(parseSpec(t)) is the canonical form of t. */
export function printSpec(spec: CompressionSpec): string {
  const { heads, budget, prune, quantize, layers } = checkSpec(spec)
  const sections = (layers ?? []).map(({ from, to, ...rest }) => `#${from}-${to}:${printPairs({ ...rest })}`)
  return [
    `${printMethod(prune)}+${printMethod(quantize)}`,
    budget ? `@${printBudget(budget)}` : '',
    heads ? `#heads=${heads}` : '',
    ...sections,
  ].join('')
}
