import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isBenchmark, type Benchmark } from '@qpkv/bench-kit'
import { methods } from '@qpkv/methods'
import { createRegistry, roleNames, type AnyMethod, type Registry, type Role } from '@qpkv/spec'
import { ownBenchmarks } from './bench/own-benchmarks.ts'
import { UsageError } from './usage-error.ts'

/**
 * Every first-party method by name, and those of the packages that --use names. Importing a package runs its code, so only what the
 * user asks for is imported, never what a spec or a result file names.
 */
export async function readRegistry(
  packages: readonly string[] = [],
  folder = process.cwd(),
): Promise<Registry> {
  const exported = await Promise.all(packages.map((name) => importPackage(name, folder)))
  return createRegistry([...methods, ...exported.flat().filter(isMethod)])
}

/** The command's own benchmarks and those of the packages that --use names. */
export async function readBenchmarks(
  packages: readonly string[] = [],
  folder = process.cwd(),
): Promise<readonly Benchmark[]> {
  const exported = await Promise.all(packages.map((name) => importPackage(name, folder)))
  return [...ownBenchmarks, ...exported.flat().filter(isBenchmark)]
}

/** What stands behind --use: read before the command line is parsed, since every benchmark is a command of its own. */
export function usedPackages(args: readonly string[]): string[] {
  let used = false
  return args.flatMap((arg) => {
    if (arg.startsWith('--use=')) return [arg.slice('--use='.length)]
    if (arg.startsWith('-')) used = arg === '--use'
    return used && arg !== '--use' ? [arg] : []
  })
}

async function importPackage(name: string, folder: string): Promise<unknown[]> {
  let exported: Record<string, unknown>
  try {
    const path = createRequire(join(folder, 'package.json')).resolve(name)
    exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>
  } catch (cause) {
    const [line] = (cause as Error).message.split('\n')
    throw new UsageError(
      `--use ${name} could not be imported: ${line ?? ''}.`,
      `Install it here: npm install ${name}`,
    )
  }
  const found = [...new Set(Object.values(exported))].filter((value) => isMethod(value) || isBenchmark(value))
  if (found.length > 0) return found
  throw new UsageError(
    `--use ${name}: the package exports neither a method nor a benchmark.`,
    'Make one with definePruner, defineAllocator, defineSharing or defineQuantizer of @qpkv/spec, or defineBenchmark of @qpkv/bench-kit.',
  )
}

const isMethod = (value: unknown): value is AnyMethod =>
  typeof value === 'function' && roleNames.includes((value as { role?: Role }).role as Role)
