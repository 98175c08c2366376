// Writes what follows from the benchmarks of packages/bench-*: the command's list of them, its dependencies, and the table of options in each
// README. `--check` only compares. So a new benchmark touches no file outside its folder by hand.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { defaultText, flagText, isBenchmark, type Benchmark } from '../packages/bench-kit/src/index.ts'
import { conclude, root } from './workspace.ts'

const check = process.argv.includes('--check')
const problems: string[] = []
const cell = (text: string) => text.replaceAll('|', '\\|')

async function put(path: string, draft: string): Promise<void> {
  const file = join(root, path)
  const text = await format(draft, { ...(await resolveConfig(file)), filepath: file })
  if (readFileSync(file, 'utf8') === text) return
  if (check) problems.push(`${path} is not up to date; run "pnpm generate"`)
  else writeFileSync(file, text)
}

const table = ({ options }: Benchmark): string =>
  [
    '| option | flag | accepts | default | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...Object.entries(options).map(([name, option]) =>
      [
        '',
        `\`${name}\``,
        cell(`\`${flagText(name, option) ?? ''}\``),
        cell(option.accepts),
        defaultText(option) && `\`${defaultText(option)}\``,
        cell(option.doc),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ].join('\n')

/** Benchmarks of a package by the names of their exports. */
async function benchmarksOf(name: string): Promise<[name: string, benchmark: Benchmark][]> {
  const exported = (await import(`../packages/${name}/src/index.ts`)) as Record<string, unknown>
  return Object.entries(exported).flatMap(([key, value]): [string, Benchmark][] =>
    key !== 'default' && isBenchmark(value) ? [[key, value]] : [],
  )
}

const packages = readdirSync(join(root, 'packages')).filter(
  (name) => name.startsWith('bench-') && existsSync(join(root, 'packages', name, 'src/index.ts')),
)
const found = await Promise.all(
  packages.map(async (name) => ({ name, benchmarks: await benchmarksOf(name) })),
)
const own = found.filter(({ benchmarks }) => benchmarks.length > 0)

for (const { name, benchmarks } of own) {
  const path = `packages/${name}/README.md`
  let text = readFileSync(join(root, path), 'utf8')
  for (const [, benchmark] of benchmarks) {
    const marks = new RegExp(`(<!-- options of ${benchmark.name} -->)[^]*?(<!-- /options -->)`)
    if (!marks.test(text)) problems.push(`${path}: expected <!-- options of ${benchmark.name} -->`)
    text = text.replace(
      marks,
      (_, open: string, close: string) => `${open}\n\n${table(benchmark)}\n\n${close}`,
    )
  }
  await put(path, text)
}
await put(
  'packages/cli/src/bench/own-benchmarks.ts',
  `// Written by tools/generate-benchmarks.ts from the folders packages/bench-*.
import type { Benchmark } from '@qpkv/bench-kit'
${own.map(({ name, benchmarks }) => `import { ${benchmarks.map(([key]) => key).join(', ')} } from '@qpkv/${name}'`).join('\n')}

/** The benchmarks that come with the command. */
export const ownBenchmarks: readonly Benchmark[] = Object.freeze([${own.flatMap(({ benchmarks }) => benchmarks.map(([key]) => key)).join(', ')}])
`,
)
const manifest = JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}
const others = Object.entries(manifest.dependencies).filter(([name]) => !/^@qpkv\/bench-(?!kit$)/.test(name))
const mine = own.map(({ name }) => [`@qpkv/${name}`, 'workspace:^'] as const)
manifest.dependencies = Object.fromEntries([...others, ...mine].sort(([a], [b]) => (a < b ? -1 : 1)))
await put('packages/cli/package.json', JSON.stringify(manifest, null, 2))
conclude('benchmarks', problems)
