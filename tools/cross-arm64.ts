// pnpm cross-arm64 [--test]: compiles the addon for linux-arm64 with Debian's cross compiler
// (apt-get install g++-aarch64-linux-gnu) and checks that the result is what a Node on arm64 could
// load. --test [PART] builds the native tests instead and runs them, or those with PART in their
// names, in qemu-aarch64 (apt-get install qemu-user).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { glibcFloor, machineOf } from './elf.ts'
import { root } from './workspace.ts'

const COMPILER = 'aarch64-linux-gnu-g++'
const source = join(root, 'packages', 'core')
const test = process.argv.includes('--test')
const filters = process.argv.slice(2).filter((argument) => argument !== '--test')
const build = join(source, test ? 'build-arm64-test' : 'build-arm64')

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root })
  if (result.error) console.error(`Could not start ${command}: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

function need(command: string, debianPackage: string): void {
  if (spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0) return
  console.error(`There is no ${command}. On Debian and Ubuntu: apt-get install ${debianPackage}`)
  process.exit(1)
}

need(COMPILER, 'g++-aarch64-linux-gnu')
if (test) need('qemu-aarch64', 'qemu-user')
if (!existsSync(join(build, 'CMakeCache.txt'))) {
  const require = createRequire(join(source, 'package.json'))
  const { include_dir: api } = require('node-api-headers') as { include_dir: string }
  const addon = dirname(require.resolve('node-addon-api/package.json'))
  run('cmake', [
    '-S',
    source,
    '-B',
    build,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    `-DCMAKE_CXX_COMPILER=${COMPILER}`,
    ...(test ? [] : [`-DCMAKE_JS_INC=${api};${addon}`]),
  ])
}
run('cmake', ['--build', build, '--parallel', '2', '--target', test ? 'qpkv_native_test' : 'qpkv_core'])
if (test) run('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', join(build, 'qpkv_native_test'), ...filters])
else {
  const file = join(build, 'qpkv_core.node')
  const machine = machineOf(readFileSync(file))
  console.log(`${file}: ${machine}, needs glibc ${glibcFloor(file) ?? 'of any version'}`)
  if (machine !== 'arm64') process.exitCode = 1
}
