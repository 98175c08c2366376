import { spawn } from 'node:child_process'

export interface Started {
  /** null: ended by a signal, such as that of the time limit. */
  readonly status: number | null
  readonly seconds: number
  readonly stdout: string
  /** The last lines of both streams, for whoever reads why it failed. */
  readonly tail: string
}

export interface StartOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
  readonly limitSeconds?: number
}

/** Runs a program to its end, or to its time limit; a program that is not there has status 127. */
export async function start(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Started> {
  const began = Date.now()
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: (options.limitSeconds ?? 3600) * 1000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let all = ''
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString()
    all += text.toString()
  })
  child.stderr.on('data', (text: Buffer) => {
    all += text.toString()
  })
  const status = await new Promise<number | null>((resolve) => {
    child.once('error', (cause) => {
      all += `${cause.message}\n`
      resolve(127)
    })
    child.once('close', (code) => resolve(code))
  })
  const tail = all.split('\n').slice(-40).join('\n')
  return { status, seconds: (Date.now() - began) / 1000, stdout, tail }
}

/** Lines of JSON among others. */
export const jsonLines = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as unknown)
