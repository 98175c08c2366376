// Writes docs/methods.md, a row for every method, and the README's table, which groups them by what they look at. `--check` only compares.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRegistry, parseSpec, resolve } from '../packages/spec/src/index.ts'
import { methods, type Method } from './methods-found.ts'
import { putGenerated } from './put-generated.ts'
import { conclude, root } from './workspace.ts'

const measured = readFileSync(join(root, 'docs/measured-methods.md'), 'utf8')

/**
 * Answers to questions that come after the compression, as `docs/measured-methods.md` has them: of a pruner at an
 * eighth of the memory in 16 bit, of a quantizer at 4 bit or as it comes. The first row wins.
 */
function laterQuestions({ role, name }: Method): string | undefined {
  if (role !== 'pruner' && role !== 'quantizer') return undefined
  const specs =
    role === 'pruner' ? [`${name}(?::[^+\`]*)?\\+none@128t`] : [`none\\+${name}:bits=4`, `none\\+${name}`]
  for (const spec of specs) {
    const row = new RegExp(`^\\| \`${spec}\` *\\|[^|]*\\| *(\\d+ of \\d+) *\\|`, 'm').exec(measured)
    if (row?.[1]) return row[1]
  }
  return undefined
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
  const later = laterQuestions(method) ?? (role === 'pruner' || role === 'quantizer' ? 'not measured' : '–')
  return `| [\`${name}\`](../${folder}) | ${role} | ${whatItDoes(method, source)} | ${later} | ${paper ? `[paper](${paper})` : ''} | \`${packageName}\` |`
}

const legend = `Later questions: right answers on the bundled model when a text is compressed first and asked afterwards; pruners at an eighth of the
memory in 16 bit, quantizers at 4 bit (int8 and layerquant as they come).`

const page = () =>
  `# All methods

Written from the packages. ${legend} The full cache answers 100 of 100; intervals and other budgets are in [Methods measured](measured-methods.md). Where the question is part of the
prompt, the order differs. What is equal to each original, and what differs: [fidelity](fidelity).

| method | role | what it does | later questions | source | package |
| --- | --- | --- | --- | --- | --- |
${methods.map(tableRow).join('\n')}
`

/** What a pruner's score is made of; the first that applies. */
const looksAt: readonly (readonly [what: string, statistic: RegExp])[] = [
  ['what the model looks at while it repeats the text', /"replay-attention"/],
  ['what the last queries attend to: for a question inside the prompt', /"queries":\{"last"/],
  ['what all queries attend to', /"queries":"all"/],
  ['positions, a table of heads, or chance', /^\[\]$|"(position|random)"/],
  ['keys and values alone: for questions that come later', /./],
]

const registry = createRegistry(methods.map(({ value }) => value))
const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }

function prunersBy(): [string, Method[]][] {
  const groups = looksAt.map(([what]): [string, Method[]] => [`prunes by ${what}`, []])
  for (const method of methods.filter(({ role }) => role === 'pruner')) {
    const { plan } = resolve(parseSpec(`${method.name}+none@64t`), registry, model, { tokens: 512 })
    const score = JSON.stringify(plan.layers[0]?.stages)
    groups[looksAt.findIndex(([, statistic]) => statistic.test(score))]?.[1].push(method)
  }
  return groups
}

const rotates = (method: Method) =>
  /transform/.test(readFileSync(join(root, method.folder, 'src', `${method.name}.ts`), 'utf8'))

function readmeTable(): string {
  const of = (role: string) => methods.filter((method) => method.role === role)
  const rows: [string, Method[]][] = [
    ...prunersBy(),
    ['quantizes values as they are', of('quantizer').filter((method) => !rotates(method))],
    ['quantizes values after a rotation', of('quantizer').filter(rotates)],
    ['shares the budget out over layers', of('allocator')],
    ['shares a layer out over heads', of('sharing')],
  ]
  const cell = (method: Method) => {
    const later = /^\d+/.exec(laterQuestions(method) ?? '')?.[0]
    return `[\`${method.name}\`](${method.folder})${later === undefined ? '' : ` ${later}`}`
  }
  return [
    '| what it does | methods |',
    '| --- | --- |',
    ...rows.map(([what, group]) => `| ${what} | ${group.map(cell).join(', ')} |`),
    '',
    `The number behind a method says how many of 100 questions the bundled model still answers when a text is compressed first and the questions come afterwards: pruners at an eighth of the memory in 16 bit,`,
    `quantizers at 4 bit or at their only width. With the full cache it answers all of them. What each method does, with its paper: [all methods](docs/methods.md); with intervals and at other budgets: [methods measured](docs/measured-methods.md).`,
  ].join('\n')
}

const readme = readFileSync(join(root, 'README.md'), 'utf8')
conclude('method tables', [
  ...(await putGenerated('docs/methods.md', page())),
  ...(await putGenerated(
    'README.md',
    readme.replace(/(<!-- methods -->)[\s\S]*?(<!-- \/methods -->)/, `$1\n\n${readmeTable()}\n\n$2`),
  )),
])
