import { expected, type Json, type Option } from '@qpkv/spec'
import { canonicalJson } from '../content-hash.ts'

/**
 * What an option is to a result. `setting`: it changes results and stands in the run's identity. `extent`: how many samples; more of them
 * extend a file. `path`: where data lie now; the identity holds their content instead.
 */
export type OptionRole = 'setting' | 'extent' | 'path'

/** An option of a benchmark: one description for JSON, the command line and the table in the README. */
export interface BenchOption<T = unknown> extends Option<T> {
  readonly role: OptionRole
  readonly flag: OptionFlag
}

export interface OptionFlag {
  /** `--length`; from the option's name unless given. Null: JSON only. */
  readonly name?: string | null
  /** `<N,...>`; without one the flag is a switch. */
  readonly value?: string
  /** What the switch sets; true unless given. */
  readonly sets?: unknown
  /** The text behind the flag as the option's value, which is checked afterwards. */
  readonly read?: (text: string) => unknown
}

/** `--max-tokens <N>`, `--agnostic`; undefined for an option of JSON only. */
export function flagText(option: string, { flag }: BenchOption): string | undefined {
  if (flag.name === null) return undefined
  const name = flag.name ?? `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  return flag.value === undefined ? name : `${name} ${flag.value}`
}

/** The default in words; nothing where there is none. */
export const defaultText = (option: BenchOption): string =>
  option.default === undefined ? '' : canonicalJson(option.default as Json).replaceAll('"', '')

/** What every kind of option takes. `default` left out: the option may be left out and is undefined. */
export interface OptionSettings<T> {
  readonly default?: T
  readonly doc: string
  readonly role?: OptionRole
  readonly flag?: OptionFlag
}

interface Kind {
  readonly accepts: string
  readonly accept: (value: unknown) => boolean
  readonly flag: OptionFlag
}

function option<T, D>(kind: Kind, settings: OptionSettings<T>): BenchOption<D> {
  const { doc, role = 'setting', flag = {} } = settings
  return {
    default: settings.default as D,
    accepts: kind.accepts,
    doc,
    role,
    flag: flag.sets === undefined ? { ...kind.flag, ...flag } : flag,
    check(value, path) {
      if (!kind.accept(value)) throw expected(kind.accepts, path, value)
      return value as D
    },
  }
}

/** T where a default is given, else T or undefined. */
type Value<T, S> = S extends { readonly default: unknown } ? T : T | undefined

interface Range {
  readonly min?: number
  readonly max?: number
}

const within = ({ min = -Infinity, max = Infinity }: Range, value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max
const rangeText = ({ min = -Infinity, max = Infinity }: Range) =>
  max !== Infinity ? ` from ${min} to ${max}` : min === -Infinity ? '' : ` of at least ${min}`
const toNumber = (text: string) => (text.trim() === '' ? NaN : Number(text.trim().replace(/%$/, '')))
const listOf = (accept: (item: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.length > 0 && value.every(accept)
const isText = (value: unknown) => typeof value === 'string' && value !== ''

/** A whole number. */
export const whole = <const S extends OptionSettings<number> & Range>(settings: S) =>
  option<number, Value<number, S>>(
    {
      accepts: `a whole number${rangeText(settings)}`,
      accept: (value) => within(settings, value) && Number.isSafeInteger(value),
      flag: { value: '<N>', read: toNumber },
    },
    settings,
  )

/** A list of whole numbers; a single one will do. */
export const wholes = <const S extends OptionSettings<readonly number[]> & Range>(settings: S) =>
  option<readonly number[], Value<readonly number[], S>>(
    {
      accepts: `a list of whole numbers${rangeText(settings)}`,
      accept: listOf((item) => within(settings, item) && Number.isSafeInteger(item)),
      flag: { value: '<N,...>', read: (text) => text.split(',').map(toNumber) },
    },
    settings,
  )

/** A list of numbers. */
export const numbers = <const S extends OptionSettings<readonly number[]> & Range>(settings: S) =>
  option<readonly number[], Value<readonly number[], S>>(
    {
      accepts: `a list of numbers${rangeText(settings)}`,
      accept: listOf((item) => within(settings, item)),
      flag: { value: '<X,...>', read: (text) => text.split(',').map(toNumber) },
    },
    settings,
  )

/** One of a few names. */
export const choice = <const T extends string, const S extends OptionSettings<NoInfer<T>>>(
  names: readonly T[],
  settings: S,
) =>
  option<T, Value<T, S>>(
    {
      accepts: `one of ${names.join(', ')}`,
      accept: (value) => (names as readonly unknown[]).includes(value),
      flag: { value: '<NAME>' },
    },
    settings,
  )

/** A list of names, each one of `names` where these are known. */
export const names = <
  const S extends OptionSettings<readonly string[]> & { readonly known?: readonly string[] },
>(
  settings: S,
) =>
  option<readonly string[], Value<readonly string[], S>>(
    {
      accepts: settings.known ? `a list of ${settings.known.join(', ')}` : 'a list of names',
      accept: listOf((item) => isText(item) && (settings.known?.includes(item as string) ?? true)),
      flag: { value: '<NAME,...>', read: (text) => text.split(',').map((word) => word.trim()) },
    },
    settings,
  )

/** A text that is not empty. */
export const text = <const S extends OptionSettings<string>>(settings: S) =>
  option<string, Value<string, S>>({ accepts: 'a text', accept: isText, flag: { value: '<TEXT>' } }, settings)

/** Texts, each behind a flag of its own or one after the other. */
export const texts = <const S extends OptionSettings<readonly string[]>>(settings: S) =>
  option<readonly string[], Value<readonly string[], S>>(
    { accepts: 'a list of texts', accept: listOf(isText), flag: { value: '<TEXT...>' } },
    settings,
  )

/** True or false. */
export const yesNo = <const S extends OptionSettings<boolean>>(settings: S) =>
  option<boolean, Value<boolean, S>>(
    { accepts: 'true or false', accept: (value) => typeof value === 'boolean', flag: {} },
    settings,
  )

/** A file or folder. The identity holds what lies there, not where. */
export const path = <const S extends Omit<OptionSettings<string>, 'role'>>(settings: S) =>
  option<string, Value<string, S>>(
    { accepts: 'a path', accept: isText, flag: { value: '<PATH>' } },
    { ...settings, role: 'path' },
  )

/** How many samples: more of them extend a result file. */
export const samples = <const S extends Omit<OptionSettings<number>, 'role'>>(settings: S) =>
  whole({ min: 1, ...settings, role: 'extent' }) as BenchOption<Value<number, S>>

/** When the question comes: compressed with the text, or asked of the compressed text afterwards. */
export const protocol = () =>
  choice(['query-aware', 'query-agnostic'], {
    default: 'query-aware',
    doc: 'Compress the text with its question (query-aware), or alone; the question follows (query-agnostic).',
    flag: { name: '--agnostic', sets: 'query-agnostic' },
  })

/** A single value or a list: `10`, or `0,50,100`. A comma or a per cent sign behind the flag means the list. */
export const either = <A, B extends readonly unknown[] | undefined>(
  first: BenchOption<A>,
  second: BenchOption<B>,
): BenchOption<A | B> => ({
  ...first,
  accepts: `${first.accepts}, or ${second.accepts}`,
  flag: {
    ...first.flag,
    value: `${first.flag.value}|${second.flag.value}`.replaceAll(/>\|</g, '|'),
    read: (text) => (/[,%]/.test(text) ? second : first).flag.read?.(text),
  },
  check: (value, path) => (Array.isArray(value) ? second.check(value, path) : first.check(value, path)),
})
