// Writes the umbrella package's index and dependencies from the folders of the methods. `--check` only compares. So a new method
// touches no file outside its folder by hand.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { methods, type Method } from './methods-found.ts'
import { putGenerated } from './put-generated.ts'
import { conclude, root } from './workspace.ts'

const note =
  '// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.'

function registryFile(): string {
  const specifier = ({ local, exported }: Method) => (exported === local ? local : `${exported} as ${local}`)
  const imports = [...new Set(methods.map(({ packageName }) => packageName))].map((packageName) => {
    const own = methods.filter((method) => method.packageName === packageName).map(specifier)
    return `import { ${own.sort().join(', ')} } from '${packageName}'`
  })
  const locals = methods.map(({ local }) => local).join(', ')
  return `${note}
${imports.join('\n')}
import { createRegistry, type AnyMethod, type Registry } from '@qpkv/spec'

/** Every first-party method beside \`none\`. */
export const methods: readonly AnyMethod[] = Object.freeze([${locals}])

/** The registry that plain JSON and text specs need. */
export const registry: Registry = createRegistry(methods)

export { ${locals} }
`
}

const indexFile = () =>
  `${note}\nexport { ${[...methods.map(({ local }) => local), 'methods', 'registry'].sort().join(', ')} } from './methods.ts'\n`

function dependencies(): string {
  const manifest = JSON.parse(readFileSync(join(root, 'packages/methods/package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const names = [...new Set(['@qpkv/spec', ...methods.map(({ packageName }) => packageName)])].sort()
  manifest.dependencies = Object.fromEntries(names.map((name) => [name, 'workspace:^']))
  return `${JSON.stringify(manifest, null, 2)}\n`
}

conclude('generated lists', [
  ...(await putGenerated('packages/methods/src/methods.ts', registryFile())),
  ...(await putGenerated('packages/methods/src/index.ts', indexFile())),
  ...(await putGenerated('packages/methods/package.json', dependencies())),
])
