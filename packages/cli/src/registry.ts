import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { methods } from '@qpkv/methods'
import { createRegistry, type AnyMethod, type Registry } from '@qpkv/spec'
import { UsageError } from './usage-error.ts'

/**
 * Every first-party method by name, and those of the packages that --use names. Importing a package runs its code, so only what the
 * user asks for is imported, never what a spec or a result file names.
 */
export async function readRegistry(
  packages: readonly string[] = [],
  folder = process.cwd(),
): Promise<Registry> {
  const found = await Promise.all(packages.map((name) => importMethods(name, folder)))
  return createRegistry([...methods, ...found.flat()])
}

async function importMethods(name: string, folder: string): Promise<AnyMethod[]> {
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
  const found = [...new Set(Object.values(exported))].filter(isMethod)
  if (found.length === 0)
    throw new UsageError(
      `--use ${name}: the package exports neither a pruner nor a quantizer.`,
      'Make one with definePruner or defineQuantizer of @qpkv/spec.',
    )
  return found
}

const isMethod = (value: unknown): value is AnyMethod =>
  typeof value === 'function' && ['pruner', 'quantizer'].includes((value as { role?: string }).role ?? '')
