// Writes what lists all methods, from the folders: the umbrella package's index and dependencies, and the method
// table in the README. `--check` only compares. So a new method touches no file outside its folder by hand.
import { readFileSync, writeFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { conclude, root } from './workspace.ts'

const check = process.argv.includes('--check')
const problems: string[] = []

const camel = (name: string) => name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
const list = (group: string) => readdirSync(join(root, 'packages', group)).sort()

async function put(path: string, draft: string): Promise<void> {
  const file = join(root, path)
  const text = await format(draft, { ...(await resolveConfig(file)), filepath: file })
  const now = readFileSync(file, 'utf8')
  if (now === text) return
  if (check) problems.push(`${path} is not up to date; run "pnpm generate"`)
  else writeFileSync(file, text)
}

interface Method {
  readonly role: 'pruner' | 'quantizer'
  readonly name: string
  readonly packageName: string
  readonly local: string
}

const methods: Method[] = [
  ...list('pruners').map((name) => ({ role: 'pruner' as const, name })),
  ...list('quantizers').map((name) => ({ role: 'quantizer' as const, name })),
].map(({ role, name }) => ({
  role,
  name,
  packageName: `@qpkv/${role}-${name}`,
  local:
    list('pruners').includes(name) && list('quantizers').includes(name)
      ? camel(`${name}-${role}`)
      : camel(name),
}))

const note =
  '// Written by tools/generate-methods.ts from the folders packages/pruners and packages/quantizers.'

function registryFile(): string {
  const imports = methods.map(
    ({ packageName, local, name }) =>
      `import { ${camel(name) === local ? local : `${camel(name)} as ${local}`} } from '${packageName}'`,
  )
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
  const names = ['@qpkv/spec', ...methods.map(({ packageName }) => packageName)].sort()
  manifest.dependencies = Object.fromEntries(names.map((name) => [name, 'workspace:^']))
  return `${JSON.stringify(manifest, null, 2)}\n`
}

const measured = readFileSync(join(root, 'docs/measured-methods.md'), 'utf8')

/**
 * Answers to questions that come after the compression, as `docs/measured-methods.md` has them: of a pruner at an
 * eighth of the memory in 16 bit, of a quantizer at 4 bit or as it comes. The first row wins.
 */
function laterQuestions({ role, name }: Method): string {
  const specs =
    role === 'pruner' ? [`${name}(?::[^+\`]*)?\\+none@128t`] : [`none\\+${name}:bits=4`, `none\\+${name}`]
  for (const spec of specs) {
    const row = new RegExp(`^\\| \`${spec}\` *\\|[^|]*\\| *(\\d+ of \\d+) *\\|`, 'm').exec(measured)
    if (row?.[1]) return row[1]
  }
  return 'not measured'
}

/** First sentence of the method's README under "## What", its paper and its folder. */
function tableRow(method: Method): string {
  const { role, name, packageName } = method
  const folder = `packages/${role}s/${name}`
  const readme = readFileSync(join(root, folder, 'README.md'), 'utf8')
  const what = /^## What\n+([\s\S]*?)(?:\n\n|\n## )/m.exec(readme)?.[1]?.replaceAll('\n', ' ') ?? ''
  const sentence = (/^.*?[.:](?= |$)/.exec(what)?.[0] ?? what).replace(/:$/, '.').replaceAll('|', '\\|')
  const source = readFileSync(join(root, folder, 'src', `${name}.ts`), 'utf8')
  const paper = /paper: '([^']+)'/.exec(source)?.[1]
  return `| [\`${name}\`](${folder}) | ${role} | ${sentence} | ${laterQuestions(method)} | ${paper ? `[paper](${paper})` : ''} | \`${packageName}\` |`
}

function readmeWithTable(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const table = [
    '| method | role | what it does | later questions | source | package |',
    '| --- | --- | --- | --- | --- | --- |',
    ...methods.map(tableRow),
    '',
    'Later questions: right answers on the bundled model when a text is compressed first and asked afterwards; pruners at an eighth of the',
    'memory in 16 bit, quantizers at 4 bit (int8 and layerquant as they come). The full cache answers 100 of 100; intervals and other',
    'budgets are in [`docs/measured-methods.md`](docs/measured-methods.md). Where the question is part of the prompt, the order differs.',
  ].join('\n')
  return readme.replace(/(<!-- methods -->)[\s\S]*?(<!-- \/methods -->)/, `$1\n\n${table}\n\n$2`)
}

await put('packages/methods/src/methods.ts', registryFile())
await put('packages/methods/src/index.ts', indexFile())
await put('packages/methods/package.json', dependencies())
await put('README.md', readmeWithTable())
conclude('generated lists', problems)
