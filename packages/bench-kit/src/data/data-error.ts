import { KvError } from '@qpkv/spec'

/** Broken or missing data: where (`file:line`), what is wrong there, and what to do about it. */
export const dataError = (place: string, problem: string, hint?: string, cause?: unknown): KvError =>
  new KvError('KV_DATA', `${place}: ${problem}.`, { hint, cause })
