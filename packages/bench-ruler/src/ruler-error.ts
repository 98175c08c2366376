import { expected, KvError } from '@qpkv/spec'

/** A wrong argument: what was expected, for what, what came. */
export function valueError(what: string, wanted: string, received: unknown): KvError {
  return expected(wanted, what, received)
}

/** Broken or missing data, with the place: `file:line: message`. */
export function dataError(place: string, message: string, hint?: string, cause?: unknown): KvError {
  return new KvError('KV_DATA', `${place}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}
