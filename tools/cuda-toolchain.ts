// Brings a CUDA toolchain into .cuda-toolkit of the checkout, from NVIDIA's wheels on PyPI: nvcc and what it needs, pinned to one
// 13.0. For building packages/cuda for devices where no toolkit is installed; nobody who uses qpkv needs it. CMake finds it there.
// `--optional`: where PyPI does not answer it says so and is content, for CI.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

const wheels = [
  'nvidia-cuda-nvcc==13.0.88',
  'nvidia-cuda-crt==13.0.88',
  'nvidia-nvvm==13.0.88',
  'nvidia-cuda-runtime==13.0.96',
  'nvidia-cuda-cccl==13.0.85',
]
// To look at instructions with; there are none of 13.0, and later ones read its files. `ptxas -v` says what the facts need.
const disassemblers = ['nvidia-cuda-cuobjdump==13.5.37', 'nvidia-cuda-nvdisasm==13.5.37']

const optional = process.argv.includes('--optional')
const folder = join(root, '.cuda-toolkit')
const toolkit = join(folder, 'nvidia', 'cu13')
const nvcc = join(toolkit, 'bin', 'nvcc')
if (!existsSync(nvcc)) {
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder, ...wheels]
  const result = spawnSync('python3', pip, { stdio: 'inherit' })
  if (result.error)
    console.error(`Could not start python3: ${result.error.message}. It is needed to fetch the wheels.`)
  if (result.status !== 0) {
    if (optional) console.log('skipped: nvcc, because PyPI does not give its wheels here')
    process.exit(optional ? 0 : (result.status ?? 1))
  }
}
// Into a folder of their own: pip does not add to one that is there.
const apart = join(folder, 'disassemblers')
if (!existsSync(apart)) {
  const more = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', apart, ...disassemblers]
  if (spawnSync('python3', more, { stdio: 'ignore' }).status !== 0)
    console.log('skipped: cuobjdump and nvdisasm, because PyPI does not give their wheels here')
}
// nvcc looks for libraries in lib64; the wheels have lib.
if (!existsSync(join(toolkit, 'lib64'))) symlinkSync('lib', join(toolkit, 'lib64'))
// Wheels are unpacked without the right to run.
for (const bin of [join(toolkit, 'bin'), join(toolkit, 'nvvm', 'bin')])
  for (const entry of readdirSync(bin, { withFileTypes: true }))
    if (entry.isFile()) chmodSync(join(bin, entry.name), 0o755)
const version = spawnSync(nvcc, ['--version'], { encoding: 'utf8' })
console.log(/release [\d.]+, V[\d.]+/.exec(version.stdout)?.[0] ?? 'nvcc does not start')
console.log(`CUDACXX=${nvcc}`)
process.exit(version.status ?? 1)
