import type { Budget } from './budget.ts'

/** What a share of a budget is measured in: a token costs 1, its nominal bits per value, or the real bytes it takes. */
export type BudgetMeasure = 'tokens' | 'bits' | 'bytes'

/** All that differs between the kinds of budgets. */
export interface BudgetKind {
  /** Accepted amounts in words. */
  readonly accepts: string
  /** The amount in its canonical form; undefined where it is none. */
  readonly read: (amount: unknown) => number | undefined
  /** The amount of a text such as `128t`; undefined where the text is of another kind. */
  readonly parse: (text: string) => number | undefined
  readonly print: (amount: number) => string
  readonly measure: BudgetMeasure
  /** What one layer gets on average, in the measure's unit; bytes are for the whole cache. */
  readonly amount: (amount: number, full: FullCache) => number
  /** The amounts that are tried where the smallest that works is searched, rising with n. */
  readonly nth: (n: number, full: FullCache) => number
}

/** What shares are shares of: the prompt's cache at 16 bit per value and KV head. */
export interface FullCache {
  readonly tokens: number
  readonly bytes: number
}

const wholeNumber = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined

const decimal = String.raw`\d+(?:\.\d+)?(?:[eE][+-]?\d+)?`
const textOf =
  (unit: string) =>
  (text: string): string | undefined =>
    new RegExp(`^(${decimal})${unit}$`).exec(text)?.[1]
const numberIn = (unit: string) => (text: string) => {
  const amount = textOf(unit)(text)
  return amount === undefined ? undefined : Number(amount)
}

const units = { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 } as const

/** Bytes of 131072, '131072', '131072B', '128KiB', '1.5MiB'; undefined for anything else. */
function readBytes(value: unknown): number | undefined {
  if (typeof value !== 'string') return wholeNumber(value)
  const [, amount, unit] = new RegExp(`^(${decimal})(B|KiB|MiB|GiB)$`).exec(value) ?? []
  if (amount === undefined) return undefined
  return wholeNumber(
    unit === 'B' ? Number(amount) : Math.floor(Number(amount) * units[unit as keyof typeof units]),
  )
}

/** The largest unit in which the amount has at most three decimals. */
function printBytes(bytes: number): string {
  for (const [unit, size] of Object.entries(units))
    if (bytes >= size && Number.isInteger((bytes / size) * 1000)) return `${bytes / size}${unit}`
  return `${bytes}B`
}

/** The decimal text times 10^places, without rounding twice. */
function shiftDecimal(text: string, places: number): number {
  const [mantissa, exponent = '0'] = text.toLowerCase().split('e')
  return Number(`${mantissa}e${Number(exponent) + places}`)
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

const readFraction = (value: unknown): number | undefined =>
  typeof value === 'number' && value > 0 && value <= 1 ? value : undefined
const percentIn = (unit: string) => (text: string) => {
  const percent = textOf(unit)(text)
  return percent === undefined ? undefined : shiftDecimal(percent, -2)
}

/** Every kind of budget by its field. */
export const budgetKinds: { readonly [K in BudgetName]: BudgetKind } = {
  tokens: {
    accepts: 'a whole number of at least 1',
    read: wholeNumber,
    parse: numberIn('t'),
    print: (tokens) => `${tokens}t`,
    measure: 'tokens',
    amount: (tokens) => tokens,
    nth: (n) => n,
  },
  fp16Tokens: {
    accepts: 'a whole number of at least 1',
    read: wholeNumber,
    parse: numberIn('x16'),
    print: (tokens) => `${tokens}x16`,
    measure: 'bits',
    amount: (tokens) => tokens * 16,
    nth: (n) => n,
  },
  fraction: {
    accepts: 'a number above 0 and at most 1',
    read: readFraction,
    parse: percentIn('%'),
    print: (fraction) => `${printPercent(String(fraction))}%`,
    measure: 'tokens',
    amount: (fraction, full) => fraction * full.tokens,
    // Rounded up to a hundredth of a per cent, so that the text is short and still works.
    nth: (n, full) => Math.min(1, Math.ceil((n / full.tokens) * 1e4) / 1e4),
  },
  byteFraction: {
    accepts: 'a number above 0 and at most 1',
    read: readFraction,
    parse: percentIn('%B'),
    print: (fraction) => `${printPercent(String(fraction))}%B`,
    measure: 'bytes',
    amount: (fraction, full) => Math.floor(fraction * full.bytes + 1e-6),
    nth: (n, full) => Math.min(1, Math.ceil((n / full.bytes) * 1e6) / 1e6),
  },
  bytes: {
    accepts: "a whole number of bytes or a text such as '128KiB', '256MiB', '1.5GiB'",
    read: readBytes,
    parse: (text) => (text.endsWith('B') ? readBytes(text) : undefined),
    print: printBytes,
    measure: 'bytes',
    amount: (bytes) => bytes,
    nth: (n) => n,
  },
}

/** The field of a budget that says its kind. */
export type BudgetName = Budget extends infer B ? (B extends unknown ? keyof B : never) : never
