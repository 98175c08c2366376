import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One kernel alone, as the native bench prints it: one thread by its processor time. */
export interface KernelRow {
  readonly kernel: string
  readonly table: string
  readonly milliseconds: number
  /** In `unit`. */
  readonly rate: number
  readonly unit: string
  /** What bounds it, in `unit`, by a measurement just before and after; missing where nothing simple does. */
  readonly ceiling?: number
  /** Name of that ceiling. */
  readonly bound?: string
}

export interface Ceiling {
  readonly ceiling: string
  readonly threads: number
  readonly rate: number
  readonly unit: string
}

const build = fileURLToPath(new URL('../../../packages/core/build-test', import.meta.url))

/** Builds the native bench like the native tests, and runs it. */
export function runKernels(table: string, quick: boolean): { ceilings: Ceiling[]; kernels: KernelRow[] } {
  const program = join(build, 'qpkv_kernel_bench')
  if (!existsSync(join(build, 'CMakeCache.txt')))
    throw new Error(
      `The native bench is built with the native tests: run 'npm run native:test' once, then this again.`,
    )
  run('cmake', ['--build', build, '--target', 'qpkv_kernel_bench', '--parallel', '2'])
  const lines = run(program, ['--table', table, ...(quick ? ['--quick'] : [])])
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Ceiling | KernelRow)
  return {
    ceilings: lines.filter((line): line is Ceiling => 'threads' in line),
    kernels: lines.filter((line): line is KernelRow => 'kernel' in line),
  }
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${error?.message ?? stderr}`)
  return stdout
}
