import type { KvWarning } from '@qpkv/spec'

/** Receives warnings instead of process.emitWarning. */
export type WarningHandler = (warning: KvWarning) => void

const shown = new Set<string>()

/** Hands a warning to whoever asked for it; else to the process, where each text is shown once. */
export function warn({ code, message }: KvWarning, handler: WarningHandler | undefined): void {
  if (handler) {
    handler({ code, message })
    return
  }
  if (shown.has(message)) return
  shown.add(message)
  process.emitWarning(message, { code, type: 'KvWarning' })
}
