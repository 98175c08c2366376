import { KvError, type KvErrorCode } from '@qpkv/spec'
import { CommanderError } from 'commander'
import type { Output } from '../io.ts'
import { UsageError } from '../usage-error.ts'

/** 0 done, 1 failed, 2 wrong command line, 130 cancelled. */
export type ExitCode = 0 | 1 | 2 | 130

/** What no prompt and no model could make right. */
const usageCodes: ReadonlySet<KvErrorCode> = new Set([
  'KV_CONFLICT',
  'KV_INVALID_OPTION',
  'KV_INVALID_SPEC',
  'KV_UNKNOWN_METHOD',
])

/** One line with the code that docs/errors.md explains, and a hint; the stack only with QPKV_DEBUG=1. */
export function reportFailure(
  error: unknown,
  stderr: Output,
  env: NodeJS.ProcessEnv = process.env,
): ExitCode {
  // Commander has already written its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const message = error instanceof Error ? error.message : String(error)
  const code = codeOf(error)
  stderr.write(`error: ${message.replaceAll(/\s*\n\s*/g, ' ')}${code ? ` [${code}]` : ''}\n`)
  const hint = KvError.isInstance(error) || error instanceof UsageError ? error.hint : systemHint(error)
  if (hint) stderr.write(`hint: ${asFlags(hint)}\n`)
  if (env['QPKV_DEBUG'] === '1' && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`)
  if (KvError.isInstance(error) && error.code === 'KV_ABORTED') return 130
  if (error instanceof UsageError || (KvError.isInstance(error) && usageCodes.has(error.code))) return 2
  return 1
}

/** Hints of the library name its options; here the same are flags. */
const flags: readonly (readonly [RegExp, string])[] = [
  [/\{ allowLongPrompt: true \}/g, '--allow-long-prompt'],
  [/^Prefill with \{ expectTokens: \d+ \}.*$/, 'Begin with all of the text, or type a shorter one.'],
  [/, or work on a fork\(\) made before/, ''],
  [/^Load it again with loadModel\(\)\.$/, 'Run the command again.'],
  [/; in code, token ids work without it/, ''],
]
const asFlags = (hint: string) => flags.reduce((said, [pattern, flag]) => said.replace(pattern, flag), hint)

function codeOf(error: unknown): KvErrorCode | undefined {
  if (KvError.isInstance(error)) return error.code
  return error instanceof UsageError ? 'KV_INVALID_OPTION' : undefined
}

/** What to do where the system refused a file. */
function systemHint(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, path } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return 'The disk is full: make room, or write elsewhere.'
  if (code === undefined || path === undefined) return undefined
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return `Check the rights on ${path}.`
  return `Check the path ${path}.`
}
