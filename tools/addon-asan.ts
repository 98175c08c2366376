// pnpm addon-asan [PART OF A TEST FILE'S NAME]...: builds the addon with the address and
// undefined-behavior sanitizers and runs the tests of
// @qpkv/core over it. What Node itself leaks at its end is not looked for.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './workspace.ts'

const core = join(root, 'packages', 'core')

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const result = spawnSync(command, args, { cwd: core, env, stdio: 'inherit' })
  if (result.error) console.error(`Could not start ${command}: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

/** The sanitizer's library must be there before Node starts. */
function sanitizerLibrary(): string {
  const { stdout } = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' })
  const path = stdout.trim()
  if (!path.includes('/'))
    throw new Error('There is no libasan.so. On Debian and Ubuntu: apt-get install g++')
  return path
}

// The sanitizer keeps freed memory for a while, so what is said about resident memory does not hold under it.
const allButMemory = '--testNamePattern=^(?!.*(resident memory|memory of contexts)).*$'

run('pnpm', ['run', 'build:native-asan'])
run(
  'pnpm',
  [
    'exec',
    'vitest',
    'run',
    '--testTimeout=300000',
    '--hookTimeout=300000',
    allButMemory,
    ...process.argv.slice(2),
  ],
  {
    ...process.env,
    LD_PRELOAD: sanitizerLibrary(),
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    QPKV_CORE_NATIVE: join(core, 'build-asan', 'Debug', 'qpkv_core.node'),
  },
)
