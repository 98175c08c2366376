import { KvError } from '@qpkv/spec'
import { fromNative } from './errors.ts'

/** The error of work that a signal ended; its `cause` is the signal's reason. */
export function abortedBy(signal: AbortSignal): KvError {
  const reason: unknown = signal.reason
  if (KvError.isInstance(reason)) return new KvError('KV_ABORTED', reason.message, { cause: reason })
  // abort() without an argument gives a reason that says nothing.
  const said = reason instanceof Error && reason.name !== 'AbortError' ? ` (${reason.message})` : ''
  return new KvError('KV_ABORTED', `The work was cancelled by its signal${said}.`, { cause: reason })
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal)
}

/** What stopped native work, as callers see it. */
export function endedBy(cause: unknown, signal: AbortSignal | undefined): unknown {
  const error = fromNative(cause)
  return signal?.aborted && KvError.isInstance(error) && error.code === 'KV_ABORTED'
    ? abortedBy(signal)
    : error
}
