// Writes what lists all methods, from the folders: the umbrella package's index and dependencies, and the method
// table in the README. `--check` only compares. So a new method touches no file outside its folder by hand.
import { readFileSync, writeFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { roleNames, type AnyMethod, type Role } from '../packages/spec/src/index.ts'
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
  readonly role: Role
  readonly name: string
  /** What its package calls it, and what the umbrella package does. */
  readonly exported: string
  readonly local: string
  readonly packageName: string
  readonly folder: string
}

/** Every method that a package exports, in the order of its exports; two roles of one name are told apart by their role. */
async function methodsIn(group: 'pruners' | 'quantizers', folder: string): Promise<Omit<Method, 'local'>[]> {
  const path = `packages/${group}/${folder}`
  const exports = (await import(join(root, path, 'src/index.ts'))) as Record<string, unknown>
  return Object.entries(exports)
    .filter(([exported, value]) => exported !== 'default' && isMethod(value))
    .map(([exported, value]) => {
      const { role, name } = value as AnyMethod
      return { role, name, exported, packageName: `@qpkv/${group.slice(0, -1)}-${folder}`, folder: path }
    })
}

const isMethod = (value: unknown): value is AnyMethod =>
  typeof value === 'function' && roleNames.includes((value as Partial<AnyMethod>).role as Role)

const found: Omit<Method, 'local'>[] = []
for (const group of ['pruners', 'quantizers'] as const)
  for (const folder of list(group)) found.push(...(await methodsIn(group, folder)))
const byRole = roleNames.flatMap((role) => found.filter((method) => method.role === role))
const methods: readonly Method[] = byRole.map((method) => ({
  ...method,
  local:
    byRole.filter(({ exported }) => exported === method.exported).length > 1
      ? camel(`${method.exported}-${method.role}`)
      : method.exported,
}))

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

const measured = readFileSync(join(root, 'docs/measured-methods.md'), 'utf8')

/**
 * Answers to questions that come after the compression, as `docs/measured-methods.md` has them: of a pruner at an
 * eighth of the memory in 16 bit, of a quantizer at 4 bit or as it comes. The first row wins.
 */
function laterQuestions({ role, name }: Method): string {
  if (role !== 'pruner' && role !== 'quantizer') return '–'
  const specs =
    role === 'pruner' ? [`${name}(?::[^+\`]*)?\\+none@128t`] : [`none\\+${name}:bits=4`, `none\\+${name}`]
  for (const spec of specs) {
    const row = new RegExp(`^\\| \`${spec}\` *\\|[^|]*\\| *(\\d+ of \\d+) *\\|`, 'm').exec(measured)
    if (row?.[1]) return row[1]
  }
  return 'not measured'
}

/** First sentence: of a README under "## What" for what its package is named after, of the comment above any other method. */
function whatItDoes({ name, exported, folder }: Method, source: string): string {
  const readme = readFileSync(join(root, folder, 'README.md'), 'utf8')
  const comment = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*export const ${exported}\\b`).exec(
    source,
  )?.[1]
  const what = folder.endsWith(`/${name}`)
    ? /^## What\n+([\s\S]*?)(?:\n\n|\n## )/m.exec(readme)?.[1]
    : comment?.replaceAll(/^\s*\* ?/gm, '')
  const text = (what ?? '').replaceAll(/\s+/g, ' ').trim()
  return (/^.*?[.:](?= |$)/.exec(text)?.[0] ?? text).replace(/:$/, '.').replaceAll('|', '\\|')
}

/** A method's row: what it does, its paper and its package. */
function tableRow(method: Method): string {
  const { role, name, folder, packageName } = method
  const source = readFileSync(join(root, folder, 'src', `${name}.ts`), 'utf8')
  const paper = /paper: '([^']+)'/.exec(source)?.[1]
  return `| [\`${name}\`](${folder}) | ${role} | ${whatItDoes(method, source)} | ${laterQuestions(method)} | ${paper ? `[paper](${paper})` : ''} | \`${packageName}\` |`
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
