// Builds and runs the native tests with plain cmake, without Node headers. `--sanitize`: address and undefined-behavior sanitizers;
// `--sanitize-thread`: the thread sanitizer. Other arguments go to the test program (a part of a test's name).
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root } from './workspace.ts'

const variants = {
  '--sanitize': {
    folder: 'build-test-asan',
    options: ['-DQPKV_SANITIZE=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
  },
  '--sanitize-thread': {
    folder: 'build-test-tsan',
    options: ['-DQPKV_SANITIZE_THREAD=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
  },
}
const given = process.argv.slice(2)
const variant = Object.entries(variants).find(([flag]) => given.includes(flag))?.[1] ?? {
  folder: 'build-test',
  options: [],
}
const filters = given.filter((argument) => !(argument in variants))

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (result.error) {
    console.error(`Could not start ${command}: ${result.error.message}`)
    process.exit(1)
  }
  if (result.status !== 0) process.exit(result.status ?? 1)
}

const source = join(root, 'packages', 'core')
const build = join(source, variant.folder)
// A configuration that stopped halfway would otherwise be taken for a finished one.
if (existsSync(build) && !existsSync(join(build, 'build.ninja')) && !existsSync(join(build, 'Makefile')))
  rmSync(build, { recursive: true })
if (!existsSync(join(build, 'CMakeCache.txt'))) {
  const ninja = spawnSync('ninja', ['--version'], { stdio: 'ignore' }).status === 0
  run('cmake', ['-S', source, '-B', build, ...(ninja ? ['-G', 'Ninja'] : []), ...variant.options])
}
run('cmake', ['--build', build, '--parallel', String(availableParallelism())])
run(join(build, 'qpkv_native_test'), filters)
