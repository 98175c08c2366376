import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../workspace.ts'
import { pack } from './pack.ts'
import { run } from './run.ts'

/** What somebody else publishes. */
export const THIRD_PARTY = '@you/kv-pruner-small-norm'

/**
 * Tarball of the pruner of docs/write-a-pruner.md as its reader would publish it: outside this repository, in TypeScript, compiled against the
 * packed @qpkv/spec.
 * @param types folder of an empty project in which @qpkv/spec is installed
 */
export function packThirdParty(types: string, packs: string): string {
  const code = inGuide(/^```ts pruner\n([\s\S]*?)^```$/m)
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

/** The command line of the guide, without `qpkv`. */
export const thirdPartyCommand = (): string[] => inGuide(/^qpkv (generate --use .*)$/m).split(' ')

function inGuide(pattern: RegExp): string {
  const found = pattern.exec(readFileSync(join(root, 'docs/write-a-pruner.md'), 'utf8'))?.[1]
  if (found === undefined) throw new Error(`docs/write-a-pruner.md has nothing like ${pattern}`)
  return found
}
