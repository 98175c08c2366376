import { KvError, type KvErrorCode } from '@qpkv/spec'

/** An error for a person: what was expected, where and what came; `hint` says what to do next. */
export const kvError = (code: KvErrorCode, message: string, hint?: string): KvError =>
  new KvError(code, message, hint === undefined ? {} : { hint })

/** Native rejections carry a `code` and a plain message; callers shall see one kind of error. */
export function fromNative(cause: unknown): unknown {
  if (KvError.isInstance(cause)) return cause
  const code = cause instanceof Error ? (cause as { code?: unknown }).code : undefined
  if (cause instanceof Error && typeof code === 'string' && code.startsWith('KV_'))
    return new KvError(code as KvErrorCode, cause.message, { cause })
  return cause
}
