import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root } from './workspace.ts'

/** Runs a command; ends this process where it failed. */
export function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): void {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error) {
    console.error(`Could not start ${command}: ${result.error.message}`)
    process.exit(1)
  }
  if (result.status !== 0) process.exit(result.status ?? 1)
}

/** Builds the native tests and what they open with plain cmake, without Node headers; where they lie. */
export function buildNativeTests(folder = 'build-test', options: string[] = []): string {
  const source = join(root, 'packages', 'core')
  const build = join(source, folder)
  // A configuration that stopped halfway would otherwise be taken for a finished one.
  if (existsSync(build) && !existsSync(join(build, 'build.ninja')) && !existsSync(join(build, 'Makefile')))
    rmSync(build, { recursive: true })
  if (!existsSync(join(build, 'CMakeCache.txt'))) {
    const ninja = spawnSync('ninja', ['--version'], { stdio: 'ignore' }).status === 0
    run('cmake', ['-S', source, '-B', build, ...(ninja ? ['-G', 'Ninja'] : []), ...options])
  }
  run('cmake', ['--build', build, '--parallel', String(availableParallelism())])
  return build
}
