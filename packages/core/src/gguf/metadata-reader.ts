import { describeValue, expected } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { GgufHeader } from './read-header.ts'

/** Typed access to the metadata of a GGUF file. Every key that was asked for is remembered, so that what is left over can be refused. */
export class MetadataReader {
  readonly path: string
  private readonly values: GgufHeader['metadata']
  private readonly seen = new Set<string>()

  constructor(header: GgufHeader) {
    this.path = header.path
    this.values = header.metadata
  }

  has(key: string): boolean {
    this.seen.add(key)
    return this.values.has(key)
  }

  raw(key: string): unknown {
    this.seen.add(key)
    return this.values.get(key)
  }

  number(key: string): number | undefined {
    const value = this.raw(key)
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value
    throw this.wrong('a number', key, value)
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.wrong('true or false', key, value)
  }

  text(key: string): string | undefined {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'string') return value
    throw this.wrong('a text', key, value)
  }

  texts(key: string): string[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value
    throw this.wrong('a list of texts', key, value)
  }

  numbers(key: string): number[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'number')) return value
    throw this.wrong('a list of numbers', key, value)
  }

  /** One number for all layers: a number, or a list of equal ones. */
  perLayer(key: string): number | undefined {
    const value = this.raw(key)
    if (!Array.isArray(value)) return this.number(key)
    const [first] = value as unknown[]
    if (typeof first === 'number' && value.every((entry) => entry === first)) return first
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${key} in ${this.path} differs from layer to layer (${describeValue(value)}); only models whose layers are alike are read.`,
    )
  }

  /** Keys with this prefix that nobody asked for. */
  unread(prefix: string): string[] {
    return [...this.values.keys()].filter((key) => key.startsWith(prefix) && !this.seen.has(key))
  }

  wrong(what: string, key: string, value: unknown): Error {
    return expected(
      what,
      `${key} in ${this.path}`,
      value,
      'KV_MODEL_FILE',
      'Download the file again, or another conversion of the model.',
    )
  }
}
