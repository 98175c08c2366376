import { KvError, type KvErrorCode } from '@qpkv/spec'
import { expect } from 'vitest'

/** Expects a KvError with this code whose message and hint match; returns it. */
export async function throwsKv(code: KvErrorCode, pattern: RegExp, work: () => unknown): Promise<KvError> {
  let thrown: unknown
  try {
    await work()
  } catch (cause) {
    thrown = cause
  }
  if (!KvError.isInstance(thrown))
    throw new Error(`expected ${code}, got ${String(thrown)}`, { cause: thrown })
  expect(thrown.code).toBe(code)
  expect(`${thrown.message}\n${thrown.hint ?? ''}`).toMatch(pattern)
  return thrown
}
