import { execFile, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'

/** One part of the pack test, with the time it took. */
export async function step(title: string, body: () => void | Promise<void>): Promise<void> {
  const start = performance.now()
  await body()
  console.log(`pack test: ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}

/** Runs a command to its end; what it printed, or an error with everything. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  options: { env?: NodeJS.ProcessEnv; input?: string } = {},
): string {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', ...options })
  if (result.status !== 0)
    throw new Error(
      `${command} ${args.join(' ')} failed in ${cwd}\n${result.error?.message ?? ''}${result.stdout}${result.stderr}`,
    )
  return result.stdout
}

/** Runs commands that do not depend on each other, as many at once as there are processors. */
export async function runAll(commands: readonly (readonly string[])[]): Promise<void> {
  const waiting = commands.values()
  const worker = async () => {
    for (const [command = '', ...args] of waiting)
      await promisify(execFile)(command, args).catch((cause: { message: string; stdout?: string }) => {
        throw new Error(`${cause.message}\n${cause.stdout ?? ''}`)
      })
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
}

export function expectText(what: string, text: string, pattern: RegExp): void {
  if (!pattern.test(text))
    throw new Error(`Expected ${pattern} from ${what} but it printed ${JSON.stringify(text)}`)
}
