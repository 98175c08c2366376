import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from '../workspace.ts'
import { kernelFiles, writeMutants, type Mutant } from './write-mutants.ts'

const cuda = join(root, 'packages', 'cuda')
const core = join(root, 'packages', 'core')

/** The folder stays, so that what has not changed is not compiled again. */
export const work = join(cuda, 'build', 'mutants')

export const suite = join(core, 'build-test', 'qpkv_native_test')

/** Only where it differs, so that ninja sees what has changed. */
function put(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function copy(from: string, to: string, wanted: (path: string) => boolean = () => true): void {
  const differs = (source: string, target: string) =>
    !existsSync(target) ||
    statSync(source).isDirectory() ||
    !readFileSync(source).equals(readFileSync(target))
  cpSync(from, to, { recursive: true, filter: (source, target) => wanted(source) && differs(source, target) })
}

function run(command: string, args: string[]): void {
  const result = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${result.error?.message ?? result.status}`)
}

/** The executor with every mutant in it, and the op suite. */
export function buildMutants({ compile }: { compile: boolean }): { mutants: Mutant[]; library: string } {
  const mutants: Mutant[] = []
  const native = join(work, 'packages', 'cuda', 'native')
  const written = kernelFiles(join(cuda, 'native')).map(
    (file) => [file, writeMutants(file, readFileSync(join(cuda, 'native', file), 'utf8'), mutants)] as const,
  )
  const build = join(work, 'build')
  const library = join(build, 'qpkv_cuda_executor.so')
  if (!compile) return { mutants, library }

  const shown = join(cuda, 'native')
  const kernels = new Set(written.map(([file]) => file))
  // What is gone from the sources must go here, or it would be compiled on.
  if (existsSync(native))
    for (const entry of readdirSync(native, { recursive: true, withFileTypes: true })) {
      const file = relative(native, join(entry.parentPath, entry.name))
      if (entry.isFile() && !existsSync(join(shown, file))) rmSync(join(native, file))
    }
  copy(shown, native, (path) => !kernels.has(relative(shown, path)))
  for (const [file, text] of written) put(join(native, file), text)
  copy(join(cuda, 'CMakeLists.txt'), join(work, 'packages', 'cuda', 'CMakeLists.txt'))
  copy(join(core, 'native'), join(work, 'packages', 'core', 'native'))
  const header = join(import.meta.dirname, 'mutant.h')
  // Comparisons with what is no longer a constant warn of signs; bounds of arrays must not tell the compiler how far loops go.
  const flags = `-w -fno-aggressive-loop-optimizations -DQPKV_MUTANTS=${mutants.length} -include ${header}`
  run('cmake', [
    '-S',
    join(work, 'packages', 'cuda'),
    '-B',
    build,
    '-G',
    'Ninja',
    '-DQPKV_CUDA=OFF',
    `-DCMAKE_CXX_FLAGS=${flags}`,
  ])
  run('ninja', ['-C', build, '-j2', 'qpkv_cuda_executor'])
  if (!existsSync(suite)) run('cmake', ['-S', core, '-B', dirname(suite)])
  run('cmake', ['--build', dirname(suite), '--target', 'qpkv_native_test', '--parallel', '2'])
  return { mutants, library }
}
