import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { start, type Started } from './start.ts'

/** A compiler call of the bundle's commands.json, as CMake would make it; `folder` is where, relative to the bundle. */
export interface BuildCommand {
  readonly folder: string
  readonly command: string
}

const output = (command: string): string | undefined => / -o (\S+)/.exec(command)?.[1]
const compiles = (command: string): boolean => / -c /.test(command)

/**
 * Compiles side by side, then links in order. What fails does not keep the rest from being made: the programs that can be built are
 * of use without the others. Returns the calls that failed.
 */
export async function build(
  bundle: string,
  commands: readonly BuildCommand[],
  cudaHome: string,
): Promise<Started[]> {
  const env = { ROOT: bundle, CUDA_HOME: cudaHome }
  const failed: Started[] = []
  const run = async ({ folder, command }: BuildCommand) => {
    const cwd = join(bundle, folder)
    mkdirSync(join(cwd, dirname(output(command) ?? '.')), { recursive: true })
    const done = await start('bash', ['-c', command], { cwd, env })
    if (done.status !== 0) failed.push(done)
  }
  const waiting = commands.filter(({ command }) => compiles(command))
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(next)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  for (const command of commands) if (!compiles(command.command)) await run(command)
  return failed
}
