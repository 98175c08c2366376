// Brings a CUDA toolchain into .cuda-toolkit of the checkout, from NVIDIA's wheels on PyPI: nvcc and what it needs, pinned to one
// 13.0. For building packages/cuda for devices where no toolkit is installed; nobody who uses qpkv needs it. CMake finds it there.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

// There is no cuobjdump or nvdisasm for 13.0: `ptxas -v` says what the facts need (tools/cuda-facts.ts).
const wheels = [
  'nvidia-cuda-nvcc==13.0.88',
  'nvidia-cuda-crt==13.0.88',
  'nvidia-nvvm==13.0.88',
  'nvidia-cuda-runtime==13.0.96',
  'nvidia-cuda-cccl==13.0.85',
]

const folder = join(root, '.cuda-toolkit')
const toolkit = join(folder, 'nvidia', 'cu13')
const nvcc = join(toolkit, 'bin', 'nvcc')
if (!existsSync(nvcc)) {
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder, ...wheels]
  const result = spawnSync('python3', pip, { stdio: 'inherit' })
  if (result.error)
    console.error(`Could not start python3: ${result.error.message}. It is needed to fetch the wheels.`)
  if (result.status !== 0) process.exit(result.status ?? 1)
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
