// Facts about the compiled CUDA kernels, from ptxas: no spills in the named hot kernels, registers and shared memory within what
// their launches assume. `--arch sm_90` (default) or another; needs nvcc (pnpm cuda:toolchain); `--if-there` is content without it.
// `--hot`: only the files that hold hot kernels. `--write` keeps the table in packages/cuda/facts.json.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { conclude, root } from './workspace.ts'

interface Facts {
  registers: number
  spills: number
  /** Static shared memory in bytes. */
  shared: number
}

/** Kernels that a token's loop or a prefill spends its time in, with the threads of a block and the blocks that are to fit on a multiprocessor. */
const hot: Record<string, { threads: number; blocks: number }> = {
  SplitKernel: { threads: 128, blocks: 2 },
  JoinKernel: { threads: 128, blocks: 8 },
  MassKernel: { threads: 128, blocks: 2 },
  FewRowsKernel: { threads: 512, blocks: 2 },
  ManyRowsKernel: { threads: 128, blocks: 3 },
  MatmulKernel: { threads: 512, blocks: 1 },
  PrefillBf16Kernel: { threads: 128, blocks: 2 },
  PrefillKernel: { threads: 128, blocks: 2 },
  AppendKernel: { threads: 256, blocks: 2 },
  RmsNormKernel: { threads: 256, blocks: 4 },
  ReduceKernel: { threads: 64, blocks: 8 },
}
const REGISTERS = 65_536
const STATIC_SHARED = 48 << 10

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: 'sm_90' },
    write: { type: 'boolean', default: false },
    hot: { type: 'boolean', default: false },
    'if-there': { type: 'boolean', default: false },
  },
})
const cuda = join(root, 'packages', 'cuda')
const own = join(root, '.cuda-toolkit', 'nvidia', 'cu13', 'bin', 'nvcc')
const nvcc = process.env['CUDACXX'] ?? (existsSync(own) ? own : 'nvcc')
if (values['if-there'] && spawnSync(nvcc, ['--version']).status !== 0) {
  console.log(
    'skipped: the facts of the compiled CUDA kernels, because there is no nvcc (pnpm cuda:toolchain)',
  )
  process.exit(0)
}
const problems: string[] = []
const facts: Record<string, Facts> = {}

/** The kernel's own name in a mangled one: the last `<length>Name` that ends in Kernel, with its number where it is a template. */
function kernelName(mangled: string): string {
  const name = /\d+((?:[A-Z][a-zA-Z0-9]*)?Kernel)(?:ILi(\d+)E)?/.exec(mangled)
  return name ? name[1]! + (name[2] ? `<${name[2]}>` : '') : mangled
}

function compile(file: string, object: string): void {
  const flags = [
    '-std=c++17',
    '-O3',
    `-arch=${values.arch}`,
    '--fmad=false',
    '--expt-relaxed-constexpr',
    '-Xptxas=-v',
  ]
  const include = ['native', '../core/native', 'build/generated'].flatMap((path) => ['-I', path])
  const result = spawnSync(nvcc, ['-c', ...flags, ...include, file, '-o', object], {
    cwd: cuda,
    encoding: 'utf8',
  })
  if (result.error || result.status !== 0) {
    problems.push(`${file} does not compile: ${result.error?.message ?? result.stderr.slice(0, 400)}`)
    return
  }
  let name = ''
  for (const line of result.stderr.split('\n')) {
    name = /Compiling entry function '(\w+)'/.exec(line)?.[1] ?? name
    const key = `${relative('native/kernels', file).replace(/\.cu$/, '')} ${kernelName(name)}`
    const spills = /(\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line)
    if (spills) facts[key] = { registers: 0, spills: Number(spills[1]) + Number(spills[2]), shared: 0 }
    const used = /Used (\d+) registers/.exec(line)
    if (used && facts[key]) {
      facts[key].registers = Number(used[1])
      facts[key].shared = Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0)
    }
  }
}

const holdsHot = (file: string): boolean => {
  const text = readFileSync(file, 'utf8')
  return Object.keys(hot).some((name) => new RegExp(`\\b${name}\\(`).test(text))
}

const objects = join(cuda, 'build', 'facts')
mkdirSync(objects, { recursive: true })
for (const folder of ['native/kernels', 'native/kernels/statistics'])
  for (const entry of readdirSync(join(cuda, folder)).filter((name) => name.endsWith('.cu')))
    if (!values.hot || holdsHot(join(cuda, folder, entry)))
      compile(join(folder, entry), join(objects, `${entry}.o`))

for (const [key, { registers, spills, shared }] of Object.entries(facts)) {
  console.log(`${key.padEnd(48)} ${registers} registers, ${shared} bytes shared, ${spills} bytes spilled`)
  const wanted = hot[key.split(' ')[1]!.replace(/<.*/, '')]
  if (!wanted) continue
  if (spills > 0) problems.push(`${key} spills ${spills} bytes`)
  if (shared > STATIC_SHARED) problems.push(`${key} has ${shared} bytes of static shared memory`)
  const fits = Math.floor(REGISTERS / (Math.ceil(registers / 8) * 8 * wanted.threads))
  if (fits < wanted.blocks)
    problems.push(`${key}: ${fits} blocks fit by registers, ${wanted.blocks} are assumed`)
}
for (const name of Object.keys(hot))
  if (!Object.keys(facts).some((key) => key.split(' ')[1]!.startsWith(name)))
    problems.push(`${name} was not found`)
if (values.write) {
  const sorted = Object.fromEntries(Object.entries(facts).sort(([a], [b]) => a.localeCompare(b)))
  writeFileSync(
    join(cuda, 'facts.json'),
    `${JSON.stringify({ arch: values.arch, kernels: sorted }, undefined, 2)}\n`,
  )
} else if (existsSync(join(cuda, 'facts.json'))) {
  const kept = (
    JSON.parse(readFileSync(join(cuda, 'facts.json'), 'utf8')) as { kernels: Record<string, Facts> }
  ).kernels
  for (const key of Object.keys(kept))
    if (!values.hot && !(key in facts)) problems.push(`${key} stands in facts.json and is gone`)
}
conclude('CUDA facts', problems)
