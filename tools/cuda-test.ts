// Builds the host executor of @qpkv/cuda and the native tests, runs core's op suite over the executor as one more table, then the
// reference model on it. `--long`: every case and several seeds of schedules, as the nightly run does. `--build`: only that.
// Other arguments: parts of test names.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { opTests } from '../packages/cuda/scripts/on-device/op-tests.ts'
import { root } from './workspace.ts'

/** Of the long tests, one case in so many. */
const SHORT = '5'

const given = process.argv.slice(2)
const long = given.includes('--long')
const filters = given.filter((argument) => !argument.startsWith('--'))
const cuda = join(root, 'packages', 'cuda')
const core = join(root, 'packages', 'core')

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): void {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error) console.error(`Could not start ${command}: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

function build(source: string, folder: string, target: string): string {
  const to = join(source, folder)
  if (!existsSync(join(to, 'CMakeCache.txt'))) {
    const ninja = spawnSync('ninja', ['--version'], { stdio: 'ignore' }).status === 0
    run('cmake', ['-S', source, '-B', to, ...(ninja ? ['-G', 'Ninja'] : [])])
  }
  run('cmake', ['--build', to, '--target', target, '--parallel', String(availableParallelism())])
  return to
}

build(cuda, 'build', 'qpkv_device_bench')
const executor = join(build(cuda, 'build', 'qpkv_cuda_executor'), 'qpkv_cuda_executor.so')
if (given.includes('--build')) process.exit(0)
const suite = join(build(core, 'build-test', 'qpkv_native_test'), 'qpkv_native_test')
// Of the four kinds of schedules (executor.cc) the tests' stream has, with these: ahead; at random; in reverse.
for (const seed of long ? ['0', '1', '3'] : ['0'])
  run(suite, filters.length > 0 ? filters : [...opTests], {
    QPKV_TEST_BACKEND: executor,
    QPKV_EXECUTOR_SEED: seed,
    ...(!long && { QPKV_TEST_EVERY: SHORT }),
  })
if (filters.length === 0) run('pnpm', ['exec', 'vitest', 'run', '--project', '@qpkv/cuda'])
