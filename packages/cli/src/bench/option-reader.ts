import { describeValue, KvError, type Json, type JsonObject } from '@qpkv/spec'

/** Reads a benchmark's options from plain JSON; every message names the path. `done()` refuses what nobody asked for. */
export class OptionReader {
  readonly #options: JsonObject
  readonly #where: string
  readonly #seen = new Set<string>()

  constructor(options: JsonObject, where: string) {
    this.#options = options
    this.#where = where
  }

  has(name: string): boolean {
    return this.#options[name] !== undefined && this.#options[name] !== null
  }

  text(name: string, allowed?: readonly string[]): string | undefined {
    const what = allowed === undefined ? 'a text' : `one of ${allowed.join(', ')}`
    const valid = (value: Json) =>
      typeof value === 'string' && (allowed === undefined || allowed.includes(value))
    return this.#read(name, what, valid) as string | undefined
  }

  choice<T extends string>(name: string, allowed: readonly T[], otherwise: T): T {
    return (this.text(name, allowed) as T | undefined) ?? otherwise
  }

  texts(name: string): string[] | undefined {
    const valid = (value: Json) => Array.isArray(value) && value.every((item) => typeof item === 'string')
    return this.#read(name, 'a list of texts', valid) as string[] | undefined
  }

  whole(name: string, min = 1): number | undefined {
    const valid = (value: Json) => Number.isSafeInteger(value) && Number(value) >= min
    return this.#read(name, `a whole number of at least ${min}`, valid) as number | undefined
  }

  wholes(name: string, min = 1, max = Infinity): number[] | undefined {
    const what = `a list of whole numbers ${rangeText(min, max)}`
    return this.#read(name, what, listOfNumbers(min, max, Number.isSafeInteger)) as number[] | undefined
  }

  numbers(name: string, min: number, max: number): number[] | undefined {
    const what = `a list of numbers ${rangeText(min, max)}`
    return this.#read(name, what, listOfNumbers(min, max, Number.isFinite)) as number[] | undefined
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, 'true or false', (value) => typeof value === 'boolean') as boolean | undefined
  }

  /** @throws KvError KV_INVALID_OPTION for a name that was never asked for */
  done(): void {
    const unknown = Object.keys(this.#options).find((name) => !this.#seen.has(name))
    if (unknown === undefined) return
    throw new KvError('KV_INVALID_OPTION', `${this.#where} has no option "${unknown}".`, {
      hint: `Known: ${[...this.#seen].sort().join(', ')}.`,
    })
  }

  #read(name: string, what: string, valid: (value: Json) => boolean): Json | undefined {
    this.#seen.add(name)
    if (!this.has(name)) return undefined
    const value = this.#options[name] as Json
    if (valid(value)) return value
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected ${what} for ${this.#where}.${name} but received ${describeValue(value)}.`,
    )
  }
}

const rangeText = (min: number, max: number) =>
  max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`

const listOfNumbers = (min: number, max: number, isSound: (value: unknown) => boolean) => (value: Json) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => isSound(item) && Number(item) >= min && Number(item) <= max)

/** Leaves undefined fields out, so that equal options have equal hashes. */
export const given = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject
