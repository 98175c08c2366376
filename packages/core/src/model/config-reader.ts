import { basename } from 'node:path'
import { expected } from '@qpkv/spec'

/** Typed access to a configuration; every message names the field and the file. */
export class ConfigReader {
  readonly path: string
  private readonly values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>, path: string) {
    this.values = values
    this.path = path
  }

  /** The same file with some fields replaced; undefined removes one. */
  with(fields: Readonly<Record<string, unknown>>): ConfigReader {
    const kept = Object.entries({ ...this.values, ...fields }).filter(([, value]) => value !== undefined)
    return new ConfigReader(Object.fromEntries(kept), this.path)
  }

  /** The fields that are there. */
  get names(): readonly string[] {
    return Object.keys(this.values)
  }

  /** The raw value; null and absent are the same. */
  raw(name: string): unknown {
    return Object.hasOwn(this.values, name) ? (this.values[name] ?? undefined) : undefined
  }

  /** Whether the value is there and null, which some fields tell apart from absent. */
  isNull(name: string): boolean {
    return Object.hasOwn(this.values, name) && this.values[name] === null
  }

  integer(name: string, range: { min: number; max: number }, fallback?: number): number {
    const value = this.raw(name) ?? fallback
    if (Number.isSafeInteger(value) && (value as number) >= range.min && (value as number) <= range.max)
      return value as number
    throw this.wrong(`a whole number from ${range.min} to ${range.max}`, name, value)
  }

  positive(name: string, fallback?: number): number {
    const value = this.raw(name) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    throw this.wrong('a number above 0', name, value)
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.raw(name) ?? fallback
    if (typeof value === 'boolean') return value
    throw this.wrong('true or false', name, value)
  }

  wrong(what: string, name: string, value: unknown): Error {
    const hint = `Compare it with the ${basename(this.path)} on the page of the model, or download it again.`
    return expected(what, `${name} in ${this.path}`, value, 'KV_CONFIG', hint)
  }
}
