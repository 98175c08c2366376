import { PassThrough } from 'node:stream'
import { runCli } from '../src/index.ts'

/** Runs a command line in this process with these lines on stdin. */
export async function run(args: readonly string[], stdin = '') {
  const input = new PassThrough()
  input.end(stdin)
  let stdout = ''
  let stderr = ''
  const code = await runCli(args, {
    stdin: input,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    takeInterrupt: () => () => undefined,
  })
  return { code, stdout, stderr }
}
