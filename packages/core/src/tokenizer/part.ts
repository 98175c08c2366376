import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'

/**
 * One part of a tokenizer.json (a normalizer, a decoder, …). Every field is read by name, and what is there but not
 * read is refused: a field that is passed over gives other tokens without a word.
 * @throws KV_TOKENIZER.
 */
export class Part {
  /** Where it stands, for messages. */
  readonly path: string
  readonly type: string
  private readonly values: Readonly<Record<string, unknown>>
  private readonly read = new Set(['type'])

  constructor(values: unknown, path: string) {
    if (!isPlainObject(values)) throw wrong('an object', path, values)
    this.values = values
    this.path = path
    this.type = typeof values['type'] === 'string' ? values['type'] : ''
  }

  /** The value of a field; null and absent are the same. */
  raw(name: string): unknown {
    this.read.add(name)
    return Object.hasOwn(this.values, name) ? (this.values[name] ?? undefined) : undefined
  }

  text(name: string, fallback?: string): string {
    const value = this.raw(name) ?? fallback
    if (typeof value === 'string') return value
    throw wrong('a text', `${name} in ${this.path}`, value)
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.raw(name) ?? fallback
    if (typeof value === 'boolean') return value
    throw wrong('true or false', `${name} in ${this.path}`, value)
  }

  count(name: string, fallback?: number): number {
    const value = this.raw(name) ?? fallback
    if (isId(value)) return value
    throw wrong('a whole number', `${name} in ${this.path}`, value)
  }

  list(name: string): readonly unknown[] {
    const value = this.raw(name) ?? []
    if (Array.isArray(value)) return value
    throw wrong('a list', `${name} in ${this.path}`, value)
  }

  /** Parts inside, such as those of a sequence. */
  parts(name: string): Part[] {
    return this.list(name).map((value, i) => new Part(value, `${name}[${i}] of ${this.path}`))
  }

  /** One of the names given. */
  choice<T extends string>(name: string, known: readonly T[], fallback?: T): T {
    const value = this.raw(name) ?? fallback
    if (known.includes(value as T)) return value as T
    throw wrong(`one of ${known.join(', ')}`, `${name} in ${this.path}`, value)
  }

  /** Called once all fields are read. */
  done<T>(result: T): T {
    const left = Object.keys(this.values).filter(
      (name) => !this.read.has(name) && !isNothing(this.values[name]),
    )
    if (left.length === 0) return result
    throw kvError(
      'KV_TOKENIZER',
      `${this.path}${this.type && ` (${this.type})`} has ${left.join(', ')}, which ${left.length > 1 ? 'are' : 'is'} not supported.`,
      'Without it the text would become other tokens; code can work with token ids.',
    )
  }

  /** No part of this type is supported at this place. */
  unknown(): Error {
    return kvError(
      'KV_TOKENIZER',
      `${this.path} is of type ${describeValue(this.values['type'])}, which is not supported.`,
      'Without it the text would become other tokens; code can work with token ids.',
    )
  }
}

/** Values of a field that change nothing, whatever it is called. */
const isNothing = (value: unknown) =>
  value === null || value === undefined || value === false || value === '' || value === 0

export const isId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31

export const ADVICE =
  'Download it again (only tokenizer.json of Hugging Face is read); without the file, code can work with token ids.'

export const wrong = (what: string, where: string, value: unknown) =>
  kvError('KV_TOKENIZER', `Expected ${what} for ${where} but received ${describeValue(value)}.`, ADVICE)
