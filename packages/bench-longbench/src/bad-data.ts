import { describeValue, KvError } from '@qpkv/spec'

/** Where a piece of data was read: a file (an entry of a zip as `data.zip:entry`) and a line, counted from 1. */
export interface Place {
  file: string
  line?: number
}

/** An error about data at a place: what was expected or what is wrong there, and what to do about it. */
export function badData(place: Place, problem: string, advice: string): KvError {
  const where = place.line === undefined ? place.file : `${place.file}:${place.line}`
  return new KvError('KV_DATA', `${where}: ${problem}.`, { hint: advice })
}

/** An error about an answer that the official scorer could not use either. */
export function badReference(expected: string, received: unknown): KvError {
  return new KvError('KV_DATA', `Expected ${expected} but received ${describeValue(received)}.`, {
    hint: 'The row belongs to another dataset or was changed; take it from the official file.',
  })
}
