// `pnpm new pruner|quantizer|benchmark NAME`: a package that passes its tests at once.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { newBenchmarkFiles } from './new-benchmark.ts'
import { packageManifest } from './package-manifest.ts'
import { root } from './workspace.ts'

type Role = 'pruner' | 'quantizer'

const camel = (name: string) => name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const manifest = (role: Role, name: string) =>
  packageManifest({
    name: `@qpkv/${role}-${name}`,
    description: `${name} ${role === 'pruner' ? 'token selection for' : 'storage of'} the KV cache, as a qpkv ${role}.`,
    folder: `packages/${role}s/${name}`,
    keywords: [`kv-${role}`],
    dependencies: { '@qpkv/spec': 'workspace:^' },
    devDependencies: { '@qpkv/conformance': 'workspace:^' },
  })

const prunerSource = (name: string) => `import { closingTokens, definePruner, integer } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence which tokens it keeps.
 * Keeps the keys of smallest norm and the last tokens, until you write your own rule: see docs/write-a-pruner.md.
 */
export const ${camel(name)} = definePruner({
  name: '${name}',
  paper: 'https://arxiv.org/abs/2406.11430',
  options: {
    last: integer({ default: 32, min: 0, max: 65536, doc: 'Newest tokens of the user turn that are always kept.' }),
  },
  select: ({ last }, { prompt }) => ({
    observe: { what: 'key-norm' },
    prefer: 'lowest',
    protect: { first: 0, last: last + closingTokens(prompt) },
  }),
})
`

const quantizerSource = (
  name: string,
) => `import { defineQuantizer, integer, oneOf, packedFormat } from '@qpkv/spec'

/**
 * ${name}: say here in one sentence how keys and values are stored.
 * Stores both per token until you write your own rule: see docs/write-a-quantizer.md.
 */
export const ${camel(name)} = defineQuantizer({
  name: '${name}',
  paper: 'https://arxiv.org/abs/1712.05877',
  options: {
    bits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a code.' }),
    recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
  },
  format: ({ bits, recent }, { model }) => {
    const format = packedFormat({ bits, scalePer: 'token', group: Math.min(32, model.headDim) })
    return { key: format, value: format, recent }
  },
})
`

/** The README's table of options; a test holds it to the source. */
const optionTable = {
  pruner: `| option | default | accepts | meaning |
| --- | --- | --- | --- |
| \`last\` | \`32\` | a whole number from 0 to 65536 | Newest tokens of the user turn that are always kept. |`,
  quantizer: `| option | default | accepts | meaning |
| --- | --- | --- | --- |
| \`bits\` | \`4\` | one of 8, 4, 3, 2, 1 | Width of a code. |
| \`recent\` | \`32\` | a whole number from 0 to 65536 | Newest kept tokens that stay in 16 bit. |`,
}

const readme = (role: Role, name: string) => {
  const title = `@qpkv/${role}-${name}`
  const use = role === 'pruner' ? `prune: ${camel(name)}()` : `quantize: ${camel(name)}({ bits: 4 })`
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
import { ${camel(name)} } from '${title}'

const model = await loadModel('path/to/model')
const context = await model.prefill('A long text.', { compression: { budget: { tokens: 256 }, ${use} } })
\`\`\`

## Options

${optionTable[role]}

## Deviations from the paper

What differs, and why.

## Cost

Bytes and time.
`
}

/** Relative path -> text of every file of a new package. */
export function newMethodFiles(role: Role, name: string): Record<string, string> {
  const symbol = camel(name)
  const suite = role === 'pruner' ? 'testPruner' : 'testQuantizer'
  return {
    'package.json': `${JSON.stringify(manifest(role, name), null, 2)}\n`,
    'src/index.ts': `export { ${symbol}, ${symbol} as default } from './${name}.ts'\n`,
    [`src/${name}.ts`]: role === 'pruner' ? prunerSource(name) : quantizerSource(name),
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
  if (role !== 'pruner' && role !== 'quantizer' && role !== 'benchmark')
    throw new Error(
      `Expected "pruner", "quantizer" or "benchmark" but received ${role ?? 'nothing'}. Try: pnpm new pruner my-method`,
    )
  if (name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new Error(
      `Expected a name in kebab-case but received ${name ?? 'nothing'}. Try: pnpm new ${role} my-${role}`,
    )
  const folder = join('packages', role === 'benchmark' ? `bench-${name}` : `${role}s/${name}`)
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
