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

/** Compiles side by side, then links in order. Undefined: all went well; else what the first failed command said. */
export async function build(
  bundle: string,
  commands: readonly BuildCommand[],
  cudaHome: string,
): Promise<Started | undefined> {
  const env = { ROOT: bundle, CUDA_HOME: cudaHome }
  const run = ({ folder, command }: BuildCommand) => {
    const cwd = join(bundle, folder)
    mkdirSync(join(cwd, dirname(output(command) ?? '.')), { recursive: true })
    return start('bash', ['-c', command], { cwd, env })
  }
  const waiting = commands.filter(({ command }) => compiles(command))
  let failed: Started | undefined
  const worker = async () => {
    for (let next = waiting.shift(); next && !failed; next = waiting.shift()) {
      const done = await run(next)
      if (done.status !== 0) failed ??= done
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  for (const command of commands) {
    if (failed) return failed
    if (compiles(command.command)) continue
    const done = await run(command)
    if (done.status !== 0) failed = done
  }
  return failed
}
