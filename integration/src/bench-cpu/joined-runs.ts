import { existsSync, readFileSync } from 'node:fs'
import type { CpuBench } from './main.ts'

/**
 * A run together with what `path` holds of earlier parts on the same machine: rows of one name are taken from the later run.
 * @throws Error where the file is of another machine, instruction set, number of threads or mode.
 */
export function joinedWithFile(run: CpuBench, path: string): CpuBench {
  if (!existsSync(path)) return run
  const before = JSON.parse(readFileSync(path, 'utf8')) as CpuBench
  const setup = ({ machine, table, threads, mode }: CpuBench) =>
    JSON.stringify([machine.cpu, machine.cores, machine.arch, table, threads, mode])
  if (setup(before) !== setup(run))
    throw new Error(
      `Expected ${path} to hold parts of a run with ${setup(run)} but it has ${setup(before)}: name another file.`,
    )
  return {
    ...run,
    note: before.note === run.note ? run.note : `${before.note}; then ${run.note}`,
    settings: { ...before.settings, ...run.settings },
    rows: laterOf(before.rows, run.rows, ({ name }) => name),
    methods: run.methods.length > 0 ? run.methods : before.methods,
    ceilings: run.ceilings.length > 0 ? run.ceilings : before.ceilings,
    kernels: run.kernels.length > 0 ? run.kernels : before.kernels,
  }
}

function laterOf<T>(before: readonly T[], later: readonly T[], nameOf: (each: T) => string): T[] {
  const names = new Set(later.map(nameOf))
  return [...before.filter((each) => !names.has(nameOf(each))), ...later]
}
