import { readFileSync, readdirSync, existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

export interface WorkspacePackage {
  /** Relative to the root, e.g. `packages/pruners/snapkv`. */
  readonly folder: string
  readonly name: string
  readonly manifest: Manifest
}

export interface Manifest {
  name: string
  version: string
  private?: boolean
  license?: string
  type?: string
  files?: string[]
  keywords?: string[]
  repository?: { directory?: string }
  engines?: { node?: string }
  bin?: Record<string, string>
  exports?: Record<string, unknown>
  publishConfig?: { access?: string; exports?: Record<string, unknown> }
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

const groups = [
  'packages',
  'packages/core/npm',
  'packages/cuda/npm',
  'packages/pruners',
  'packages/quantizers',
]

/** Every package of the workspace, the private integration package included. */
export function workspacePackages(): WorkspacePackage[] {
  const folders = groups.flatMap((group) => readdirSync(join(root, group)).map((name) => `${group}/${name}`))
  return [...folders, 'integration', 'examples']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => {
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
      return { folder, name: manifest.name, manifest }
    })
}

/** Files under `folder` (relative to the root) whose name passes `wanted`; generated and installed folders are left out. */
export function filesUnder(folder: string, wanted: (path: string) => boolean): string[] {
  const skipped = /^(node_modules|dist|build.*|\.turbo|\.git|\.tools|coverage)$/
  const walk = (path: string): string[] =>
    readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
      if (skipped.test(entry.name)) return []
      const child = join(path, entry.name)
      return entry.isDirectory() ? walk(child) : wanted(child) ? [relative('', child)] : []
    })
  return walk(folder)
}

/** Ends the process: prints each problem, or one line of success. */
export function conclude(what: string, problems: readonly string[]): void {
  if (problems.length === 0) {
    console.log(`${what}: ok`)
    return
  }
  console.error(`${what}: ${problems.length} problem${problems.length === 1 ? '' : 's'}`)
  for (const problem of problems) console.error(`  ${problem}`)
  process.exitCode = 1
}
