// Writes the table of options into the README of every package that exports benchmarks, from the benchmarks themselves. `--check` only compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { defaultText, flagText, isBenchmark, type Benchmark } from '../packages/bench-kit/src/index.ts'
import { conclude, root } from './workspace.ts'

const check = process.argv.includes('--check')
const problems: string[] = []
const cell = (text: string) => text.replaceAll('|', '\\|')

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

for (const name of readdirSync(join(root, 'packages')).filter((one) => one.startsWith('bench-'))) {
  const exported = (await import(`../packages/${name}/src/index.ts`)) as Record<string, unknown>
  const file = join(root, 'packages', name, 'README.md')
  const now = readFileSync(file, 'utf8')
  let text = now
  for (const benchmark of new Set(Object.values(exported).filter(isBenchmark))) {
    const marks = new RegExp(`(<!-- options of ${benchmark.name} -->)[^]*?(<!-- /options -->)`)
    if (!marks.test(text))
      problems.push(`packages/${name}/README.md: expected <!-- options of ${benchmark.name} -->`)
    text = text.replace(
      marks,
      (_, open: string, close: string) => `${open}\n\n${table(benchmark)}\n\n${close}`,
    )
  }
  text = await format(text, { ...(await resolveConfig(file)), filepath: file })
  if (text === now) continue
  if (check) problems.push(`packages/${name}/README.md is not up to date; run "pnpm generate"`)
  else writeFileSync(file, text)
}
conclude('options of benchmarks', problems)
