import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { root, workspacePackages } from '../workspace.ts'
import { run } from './run.ts'

/** Ending of this machine's platform package. */
export const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`

/** Paths of tarballs by package name. */
export type Tarballs = ReadonlyMap<string, string>

/** Tarball of every published package and of this machine's platform package. */
export function packAll(packs: string): Map<string, string> {
  const binary = join(root, 'packages/core/build/Release/qpkv_core.node')
  const placed = join(root, 'packages/core/npm', platform, 'qpkv_core.node')
  if (!existsSync(binary))
    throw new Error(`Expected the built engine at ${binary}; run "npm run build" first`)
  copyFileSync(binary, placed)
  try {
    const tarballs = new Map<string, string>()
    for (const { name, folder, manifest } of workspacePackages()) {
      const foreign = folder.startsWith('packages/core/npm/') && !folder.endsWith(platform)
      if (!manifest.private && !foreign) tarballs.set(name, pack(name, join(root, folder), packs))
    }
    return tarballs
  } finally {
    rmSync(placed)
  }
}

function pack(name: string, folder: string, packs: string): string {
  run('pnpm', ['pack', '--pack-destination', packs], folder)
  const prefix = `${name.replace('@', '').replace('/', '-')}-`
  const file = readdirSync(packs).find(
    (entry) => entry.startsWith(prefix) && /^\d/.test(entry.slice(prefix.length)),
  )
  if (!file) throw new Error(`No tarball of ${name} in ${packs}`)
  return join(packs, file)
}

/** What somebody else publishes. */
export const THIRD_PARTY = '@you/kv-pruner-small-norm'

/**
 * Tarball of the pruner of docs/write-a-pruner.md as its reader would publish it: outside this repository, in TypeScript, compiled against the
 * packed @qpkv/spec.
 * @param types folder of an empty project in which @qpkv/spec is installed
 */
export function packThirdParty(types: string, packs: string): string {
  const guide = readFileSync(join(root, 'docs/write-a-pruner.md'), 'utf8')
  const code = /^```ts pruner\n([\s\S]*?)^```$/m.exec(guide)?.[1]
  if (code === undefined) throw new Error('docs/write-a-pruner.md has no block "ts pruner"')
  const folder = join(types, 'kv-pruner-small-norm')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.ts'), `${code}\nexport default smallNorm\n`)
  const options = ['--strict', '--declaration', '--target', 'ES2023', '--module', 'NodeNext']
  const manifest = {
    name: THIRD_PARTY,
    version: '1.0.0',
    type: 'module',
    keywords: ['kv-pruner'],
    exports: './index.js',
    files: ['index.js', 'index.d.ts'],
    dependencies: { '@qpkv/spec': '^0' },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  run(join(root, 'node_modules/.bin/tsc'), [...options, 'index.ts'], folder)
  return pack(THIRD_PARTY, folder, packs)
}
