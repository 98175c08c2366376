// `pnpm new pruner|allocator|sharing|quantizer|benchmark NAME`: a package that passes its tests at once.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { newBenchmarkFiles } from './new-benchmark.ts'
import { isRole, methodTemplates } from './method-templates.ts'
import { packageManifest } from './package-manifest.ts'
import { roleNames, roles, type Role } from '../packages/spec/src/index.ts'
import { root } from './workspace.ts'

const camel = (name: string) => name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const folderOf = (role: Role, name: string) => `packages/${methodTemplates[role].group}s/${name}`

const manifest = (role: Role, name: string) => {
  const { group, about } = methodTemplates[role]
  return packageManifest({
    name: `@qpkv/${group}-${name}`,
    description: `${name} ${about}, as ${roles[role].a.replace(' ', ' qpkv ').replace('an qpkv', 'a qpkv')}.`,
    folder: folderOf(role, name),
    keywords: [`kv-${group}`],
    dependencies: { '@qpkv/spec': 'workspace:^' },
    devDependencies: { '@qpkv/conformance': 'workspace:^' },
  })
}

const readme = (role: Role, name: string) => {
  const { group, options, use } = methodTemplates[role]
  const title = `@qpkv/${group}-${name}`
  const { imports, compression } = use(camel(name))
  return `# ${title}

## What

Say here what it does and name the paper. The first sentence stands in the table of methods.

## When (and when not)

Where it is the right choice, and where another one is.

## Install

\`\`\`sh
npm install @qpkv/core ${title}
\`\`\`

## Use

\`\`\`ts
import { loadModel } from '@qpkv/core'
${imports}import { ${camel(name)} } from '${title}'

const model = await loadModel('path/to/model')
const context = await model.prefill('A long text.', { compression: { ${compression} } })
\`\`\`

## Options

| option | default | accepts | meaning |
| --- | --- | --- | --- |
${options}

## Deviations from the paper

What differs, and why.

## Cost

Bytes and time.
`
}

/** Relative path -> text of every file of a new package. */
export function newMethodFiles(role: Role, name: string): Record<string, string> {
  const symbol = camel(name)
  const { source, suite } = methodTemplates[role]
  return {
    'package.json': `${JSON.stringify(manifest(role, name), null, 2)}\n`,
    'src/index.ts': `export { ${symbol}, ${symbol} as default } from './${name}.ts'\n`,
    [`src/${name}.ts`]: source(name, symbol),
    'test/conformance.test.ts': `import { ${suite} } from '@qpkv/conformance'
import { test } from 'vitest'
import { ${symbol} } from '../src/index.ts'

${suite}({ test, ${role}: ${symbol} })
`,
    'README.md': readme(role, name),
  }
}

/** Writes the package; refuses a taken or unusable name. Returns its folder relative to the root. */
export function createPackage(role: string | undefined, name: string | undefined, base = root): string {
  if (!isRole(role) && role !== 'benchmark')
    throw new Error(
      `Expected ${roleNames.join(', ')} or benchmark but received ${role ?? 'nothing'}. Try: pnpm new pruner my-method`,
    )
  if (name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new Error(
      `Expected a name in kebab-case but received ${name ?? 'nothing'}. Try: pnpm new ${role} my-${role}`,
    )
  const folder = role === 'benchmark' ? join('packages', `bench-${name}`) : folderOf(role, name)
  if (existsSync(join(base, folder))) throw new Error(`${folder} exists already; choose another name.`)
  const files = role === 'benchmark' ? newBenchmarkFiles(name, camel(name)) : newMethodFiles(role, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, folder, path)), { recursive: true })
    writeFileSync(join(base, folder, path), text)
  }
  return folder
}

/** Runs a tool of the workspace; its errors are the command's own. */
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: root, stdio: 'inherit' })

if (process.argv[1]?.endsWith('new-method.ts')) {
  try {
    const folder = createPackage(process.argv[2], process.argv[3])
    run('prettier', '--write', '--log-level=warn', folder)
    run(
      'pnpm',
      'install',
      '--no-frozen-lockfile',
      '--prefer-offline',
      '--reporter=append-only',
      '--loglevel=warn',
    )
    // The new package is linked before what lists it is written and links it again.
    await import('./generate.ts')
    run('pnpm', 'install', '--no-frozen-lockfile', '--prefer-offline', '--loglevel=warn')
    console.log(`${folder}: written`)
  } catch (error) {
    console.error((error as Error).message)
    process.exit(2)
  }
}
