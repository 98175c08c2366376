import { expected } from '../errors.ts'
import type { Json } from '../json.ts'

/**
 * One option of a method: its default, what it accepts in words, and a check that
 * returns the value or throws KV_INVALID_OPTION.
 */
export interface Option<T> {
  /** Undefined: the option has no default and may be left out. */
  readonly default: T
  /** Accepted values in words, for messages and generated tables. */
  readonly accepts: string
  readonly doc: string
  /** The values of an option that has only a few. */
  readonly choices?: readonly (string | number)[]
  check(value: unknown, path: string): T
}

const option = <T>(
  settings: { readonly default: T; readonly doc: string },
  accepts: string,
  accept: (value: unknown) => boolean,
): Option<T> => ({
  default: settings.default,
  doc: settings.doc,
  accepts,
  check(value, path) {
    if (!accept(value)) throw expected(accepts, path, value)
    return value as T
  },
})

interface Range {
  readonly default: number
  readonly min?: number
  readonly max?: number
  readonly doc: string
}

const rangeText = ({ min, max }: Range) =>
  min !== undefined && max !== undefined
    ? ` from ${min} to ${max}`
    : min !== undefined
      ? ` of at least ${min}`
      : max !== undefined
        ? ` of at most ${max}`
        : ''
const inRange = (value: unknown, { min = -Infinity, max = Infinity }: Range): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max

/** A whole number; `min` and `max` are included. */
export const integer = (range: Range): Option<number> =>
  option<number>(
    range,
    `a whole number${rangeText(range)}`,
    (v) => inRange(v, range) && Number.isSafeInteger(v),
  )

/** Any finite number; `min` and `max` are included. */
export const number = (range: Range): Option<number> =>
  option<number>(range, `a number${rangeText(range)}`, (v) => inRange(v, range))

/** An odd whole number, such as the width of a pooling kernel. */
export const odd = (range: Range): Option<number> =>
  option<number>(
    range,
    `an odd whole number${rangeText(range)}`,
    (v) => inRange(v, range) && Number.isSafeInteger(v) && Math.abs(v) % 2 === 1,
  )

/** One of a few names or numbers. */
export const oneOf = <const T extends string | number>(
  choices: readonly T[],
  settings: { readonly default: NoInfer<T>; readonly doc: string },
): Option<T> => ({
  ...option<T>(settings, `one of ${choices.join(', ')}`, (v) => (choices as readonly unknown[]).includes(v)),
  choices,
})

/** True or false. */
export const boolean = (settings: { readonly default: boolean; readonly doc: string }): Option<boolean> =>
  option<boolean>(settings, 'true or false', (v) => typeof v === 'boolean')

/** A text that is not empty. */
export const text = (settings: { readonly default: string; readonly doc: string }): Option<string> =>
  option<string>(settings, 'a text', (v) => typeof v === 'string' && v.length > 0)

/** The same option without a default: left out, it is undefined and the method decides. */
export const optional = <T>(inner: Option<T>): Option<T | undefined> => ({
  default: undefined,
  doc: inner.doc,
  accepts: inner.accepts,
  check: (value, path) => (value === undefined ? undefined : inner.check(value, path)),
})

/** Any JSON value that `accept` takes; for nested data such as a calibration. */
export const json = <T extends Json>(settings: {
  readonly default: T
  readonly doc: string
  readonly accepts: string
  readonly accept: (value: unknown) => boolean
}): Option<T> => option<T>(settings, settings.accepts, settings.accept)
