// pnpm cuda:cross-arm64 [--arch 90-real]: compiles the CUDA library for linux-arm64 on x64, with Debian's cross compiler
// (apt-get install g++-aarch64-linux-gnu) and nvcc (pnpm cuda:toolchain), and checks that the result is what a Node on arm64 could
// open. Releases are compiled on arm64 itself; this is for whoever changes kernels and has no such machine.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { glibcFloor, machineOf } from './elf.ts'
import { root } from './workspace.ts'

const COMPILER = 'aarch64-linux-gnu-g++'
const RUNTIME = 'nvidia-cuda-runtime==13.0.96'
const { values } = parseArgs({ options: { arch: { type: 'string' } } })
const toolkit = join(root, '.cuda-toolkit')
const nvcc = process.env['CUDACXX'] ?? join(toolkit, 'nvidia', 'cu13', 'bin', 'nvcc')
const source = join(root, 'packages', 'cuda')
const build = join(source, 'build-arm64')

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root })
  if (result.error) console.error(`Could not start ${command}: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

if (spawnSync(COMPILER, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.error(`There is no ${COMPILER}. On Debian and Ubuntu: apt-get install g++-aarch64-linux-gnu`)
  process.exit(1)
}
if (spawnSync(nvcc, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.error('There is no nvcc: set CUDACXX, or pnpm cuda:toolchain')
  process.exit(1)
}
// The runtime that is linked in, of the other machine.
const arm64 = join(toolkit, 'arm64')
if (!existsSync(arm64)) {
  const only = ['--platform', 'manylinux2014_aarch64', '--only-binary', ':all:', '--no-deps']
  run('python3', ['-m', 'pip', 'install', '--quiet', ...only, '--target', arm64, RUNTIME])
}
if (!existsSync(join(build, 'CMakeCache.txt')))
  run('cmake', [
    '-S',
    source,
    '-B',
    build,
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    `-DCMAKE_CXX_COMPILER=${COMPILER}`,
    `-DCMAKE_CUDA_COMPILER=${nvcc}`,
    `-DCMAKE_CUDA_HOST_COMPILER=${COMPILER}`,
    `-DCMAKE_CUDA_FLAGS=-L${join(arm64, 'nvidia', 'cu13', 'lib')}`,
    ...(values.arch ? [`-DCMAKE_CUDA_ARCHITECTURES=${values.arch}`] : []),
  ])
run('cmake', ['--build', build, '--parallel', '2', '--target', 'qpkv_cuda'])
const file = join(build, 'qpkv_cuda.so')
const machine = machineOf(readFileSync(file))
const size = (statSync(file).size / 2 ** 20).toFixed(1)
console.log(`${file}: ${machine}, ${size} MiB, needs glibc ${glibcFloor(file) ?? 'of any version'}`)
if (machine !== 'arm64') process.exitCode = 1
