import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, workspacePackages } from '../workspace.ts'
import { run } from './run.ts'

/** Ending of this machine's platform package. */
export const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`

/** Paths of tarballs by package name. */
export type Tarballs = ReadonlyMap<string, string>

/** The engine that was built here. */
export const builtEngine = join(root, 'packages/core/build/Release/qpkv_core.node')

/** Tarball of every published package and of this machine's platform package, which gets `binary` as its engine. */
export function packAll(packs: string, binary: string): Map<string, string> {
  const placed = join(root, 'packages/core/npm', platform, 'qpkv_core.node')
  if (!existsSync(binary)) throw new Error(`Expected an engine at ${binary}; run "npm run build" first`)
  copyFileSync(binary, placed)
  try {
    const tarballs = new Map<string, string>()
    for (const { name, folder, manifest } of workspacePackages()) {
      // The CUDA library comes from the release workflow alone.
      const foreign =
        folder.startsWith('packages/cuda/npm/') ||
        (folder.startsWith('packages/core/npm/') && !folder.endsWith(platform))
      if (!manifest.private && !foreign) tarballs.set(name, pack(name, join(root, folder), packs))
    }
    return tarballs
  } finally {
    rmSync(placed)
  }
}

/** Packs one folder; the path of the tarball. */
export function pack(name: string, folder: string, packs: string): string {
  run('pnpm', ['pack', '--pack-destination', packs], folder)
  const prefix = `${name.replace('@', '').replace('/', '-')}-`
  const file = readdirSync(packs).find(
    (entry) => entry.startsWith(prefix) && /^\d/.test(entry.slice(prefix.length)),
  )
  if (!file) throw new Error(`No tarball of ${name} in ${packs}`)
  return join(packs, file)
}
