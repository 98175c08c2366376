import type { Model } from '@qpkv/core'
import type { CompressionInput } from '@qpkv/core'
import { expected, isPlainObject, refuseUnknown, type SpecInput } from '@qpkv/spec'

/** How a server runs. */
export interface ServerOptions {
  readonly model: Model
  /** The name under which clients ask for the model; default `qpkv`. */
  readonly modelName?: string
  /** How prompts are compressed unless a request says otherwise. */
  readonly compression?: CompressionInput
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string
  /** Default 8080; 0: any free one. */
  readonly port?: number
  /** Clients send it as `Authorization: Bearer …`. Default: none is asked for. */
  readonly apiKey?: string
  /** Origins whose pages may ask; default: none. */
  readonly corsOrigins?: readonly string[]
  /** Requests at work at once; default 16. */
  readonly concurrent?: number
  /** Requests that wait beyond these; further ones get 429. Default 64. */
  readonly queue?: number
  /** Bytes of a request's body; default 8 MiB. */
  readonly maxBodyBytes?: number
  /** Tokens of a prompt; default: the model's context. */
  readonly maxPromptTokens?: number
  /** Tokens of a reply at most, and where a request does not say; default 2048. */
  readonly maxTokens?: number
  /** What a request may take from its arrival on, queue included; default 600 s. */
  readonly timeoutMs?: number
  /** Bytes of caches kept for prompts that begin like earlier ones; default 0, none. */
  readonly prefixBytes?: number
  /** A folder for caches beyond these, and for all of them at the end; default: none. */
  readonly prefixFolder?: string
  /** Bytes of that folder; default 8 GiB. */
  readonly prefixFileBytes?: number
  /**
   * How idle contexts are compressed in place when a request finds no memory, such as `l2norm+kivi:bits=4@25%`; until then
   * they stay as `compression` left them. Default: requests wait, and end with an error where nothing is freed.
   */
  readonly whenFull?: SpecInput | string
  /** A folder of a page served at `/`, for examples; default: none. Files are read once, at the start. */
  readonly page?: string
}

export type ResolvedOptions = Required<
  Omit<ServerOptions, 'compression' | 'apiKey' | 'page' | 'prefixFolder' | 'whenFull'>
> &
  Pick<ServerOptions, 'compression' | 'apiKey' | 'page' | 'prefixFolder' | 'whenFull'>

const NAMES = {
  model: true, modelName: true, compression: true, host: true, port: true, apiKey: true, corsOrigins: true, concurrent: true,
  queue: true, maxBodyBytes: true, maxPromptTokens: true, maxTokens: true, timeoutMs: true, prefixBytes: true, prefixFolder: true,
  prefixFileBytes: true, whenFull: true, page: true,
} satisfies Record<keyof ServerOptions, true> // prettier-ignore

/** Options filled in and checked. @throws KV_INVALID_OPTION */
export function resolveOptions(given: ServerOptions): ResolvedOptions {
  if (!isPlainObject(given)) throw expected('an object of options', 'the options of serve()', given)
  refuseUnknown(given, Object.keys(NAMES), 'serve()')
  const options = {
    modelName: 'qpkv',
    host: '127.0.0.1',
    port: 8080,
    corsOrigins: [],
    concurrent: 16,
    queue: 64,
    maxBodyBytes: 8 * 2 ** 20,
    maxPromptTokens: given.model.config.contextTokens,
    maxTokens: 2048,
    timeoutMs: 600_000,
    prefixBytes: 0,
    prefixFileBytes: 8 * 2 ** 30,
    ...given,
  }
  const whole = (
    name:
      | 'port'
      | 'concurrent'
      | 'queue'
      | 'maxBodyBytes'
      | 'maxPromptTokens'
      | 'maxTokens'
      | 'timeoutMs'
      | 'prefixBytes'
      | 'prefixFileBytes',
    least: number,
    most = Number.MAX_SAFE_INTEGER,
  ) => {
    const value: unknown = options[name]
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
      throw expected(
        `a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
        name,
        value,
      )
  }
  whole('port', 0, 65_535)
  for (const name of ['concurrent', 'maxBodyBytes', 'maxPromptTokens', 'maxTokens'] as const) whole(name, 1)
  for (const name of ['queue', 'prefixBytes', 'prefixFileBytes'] as const) whole(name, 0)
  whole('timeoutMs', 1, 2 ** 31 - 1)
  if (options.prefixFolder === '') throw expected('a folder', 'prefixFolder', '')
  if (options.apiKey === '') throw expected('a key of at least one letter', 'apiKey', '')
  return options
}
