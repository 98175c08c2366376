// Writes what lists all statistics and carries their options into C++, from the descriptors in
// packages/spec/src/plan/statistics: spec's list, the reference's, one native header per statistic, and the operations on scores.
// `--check` only compares. So a new statistic touches no existing file by hand.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { scoreOperations } from '../packages/spec/src/plan/score-operations.ts'
import type { Statistic } from '../packages/spec/src/plan/statistic.ts'
import type { Option } from '../packages/spec/src/options/option.ts'
import { camel, capital, checkOnly, put, snake } from './generated-files.ts'
import { conclude, root } from './workspace.ts'

const problems: string[] = []
const descriptors = 'packages/spec/src/plan/statistics'
const headers = 'packages/core/native/ops/statistics'

// ---- options as a row of numbers ------------------------------------------------------------------------------------

interface NativeOption {
  readonly name: string
  readonly kind: string
  readonly choices: readonly (string | number)[]
  readonly standard: number
}

/** How an option reaches C++: a choice of names as its index, truth as 0 or 1, queries as two numbers. */
function nativeOptions(
  options: Readonly<Record<string, Option<unknown> & { kind?: string }>>,
): NativeOption[] {
  return Object.entries(options).map(([name, option]) => {
    const choices = option.choices ?? []
    const standard = option.default
    if (option.kind === 'queries') {
      if (standard !== 'all') throw new Error(`${name}: queries default to 'all'`)
      return { name, kind: 'kQueries', choices: [], standard: 0 }
    }
    if (typeof standard === 'boolean')
      return { name, kind: 'kTruth', choices: [], standard: Number(standard) }
    if (standard === 'above') return { name, kind: 'kNumberOrAbove', choices: [], standard: NaN }
    if (typeof standard === 'string')
      return { name, kind: 'kChoice', choices, standard: choices.indexOf(standard) }
    if (typeof standard !== 'number')
      throw new Error(`${name}: engines take numbers, truth values and choices`)
    return { name, kind: 'kNumber', choices: [], standard }
  })
}

/** Slots of the row, and an enumeration for each choice. */
function optionCode(options: readonly NativeOption[]): string {
  const slots = options.flatMap(({ name, kind }) =>
    kind === 'kQueries' ? [`k${capital(name)}Last`, `k${capital(name)}BeforeUserEnd`] : [`k${capital(name)}`],
  )
  const enums = options
    .filter(({ kind }) => kind === 'kChoice')
    .map(
      ({ name, choices }) =>
        `enum class ${capital(name)} { ${choices.map((it) => `k${capital(String(it))}`).join(', ')} };`,
    )
  const lists = options
    .filter(({ choices }) => choices.length > 0)
    .map(
      ({ name, choices }) =>
        `constexpr const char* k${capital(name)}Names[] = {${choices.map((it) => `"${it}"`).join(', ')}};`,
    )
  const rows = options.map(
    ({ name, kind, choices, standard }) =>
      `{"${name}", OptionKind::${kind}, ${choices.length > 0 ? `k${capital(name)}Names` : 'nullptr'}, ${choices.length}, ${Number.isNaN(standard) ? '__builtin_nan("")' : standard}}`,
  )
  return [
    slots.length > 0 ? `enum Slot { ${slots.join(', ')} };` : '',
    ...enums,
    ...lists,
    rows.length > 0 ? `constexpr OptionDescriptor kOptions[] = {${rows.join(', ')}};` : '',
  ]
    .filter((line) => line !== '')
    .join('\n')
}

const optionFields = (options: readonly NativeOption[]) =>
  options.length > 0 ? `kOptions, ${options.length}` : 'nullptr, 0'

// ---- statistics -----------------------------------------------------------------------------------------------------

const note = (from: string) => `// Written by tools/generate-statistics.ts from ${from}.`

function statisticHeader(statistic: Statistic): string {
  const options = nativeOptions(statistic.options)
  const reads = statistic.reads.map((it) => `kRead${capital(it)}`).join(' | ') || '0'
  return `${note(`${descriptors}/${statistic.name}.ts`)}
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// ${statistic.doc}
namespace statistics::${snake(statistic.name)} {

${optionCode(options)}
constexpr StatisticDescriptor kAbout = {"${statistic.name}", ${statistic.version}, Rows::${statistic.rows === 'query' ? 'kQuery' : 'kKv'}, ${reads}, ${optionFields(options)}, ${statistic.tolerance ?? 2e-5}};

}  // namespace statistics::${snake(statistic.name)}
}  // namespace qpkv
`
}

const names = readdirSync(join(root, descriptors))
  .map((file) => file.replace(/\.ts$/, ''))
  .sort()
const listPath = 'packages/spec/src/plan/statistics.ts'
await put(
  listPath,
  `${note('the files of statistics/')}
${names.map((name) => `import { ${camel(name)} } from './statistics/${name}.ts'`).join('\n')}

/** Every statistic of this version. */
export const statistics = { ${names.map(camel).join(', ')} } as const
`,
  problems,
)
const measuredPath = 'packages/reference/src/measured.ts'
await put(
  measuredPath,
  `${note(`the files of ${descriptors}`)}
${names.map((name) => `import { ${camel(name)} } from './measured/${name}.ts'`).join('\n')}

/** How each statistic is measured. */
export const measured = { ${names.map((name) => (name === camel(name) ? name : `'${name}': ${camel(name)}`)).join(', ')} }
`,
  problems,
)
for (const name of names) {
  const module = (await import(join(root, descriptors, `${name}.ts`))) as Record<string, Statistic>
  const statistic = module[camel(name)]
  if (statistic?.name !== name) {
    problems.push(`${descriptors}/${name}.ts must export ${camel(name)} with the name '${name}'`)
    continue
  }
  const path = `${headers}/${snake(name)}.h`
  await put(path, statisticHeader(statistic), problems)
}
for (const file of existsSync(join(root, headers)) ? readdirSync(join(root, headers)) : [])
  if (!names.map(snake).includes(file.replace(/\.h$/, ''))) {
    if (checkOnly) problems.push(`${headers}/${file} has no descriptor any more; run "pnpm generate"`)
    else rmSync(join(root, headers, file))
  }

// ---- operations -----------------------------------------------------------------------------------------------------

const operations = Object.entries(scoreOperations).map(([name, it]) => ({
  name,
  of: it.of,
  options: nativeOptions(it.options),
}))
const operationsPath = 'packages/core/native/ops/score_operations.h'
await put(
  operationsPath,
  `${note('packages/spec/src/plan/score-operations.ts')}
#pragma once
#include "ops/option_row.h"

namespace qpkv {

enum class ScoreOp : uint8_t { ${operations.map(({ name }) => `k${capital(name)}`).join(', ')} };

${operations
  .filter(({ options }) => options.length > 0)
  .map(
    ({ name, options }) =>
      `namespace score_ops::${snake(name)} {\n${optionCode(options)}\n}  // namespace score_ops::${snake(name)}`,
  )
  .join('\n')}

struct OperationDescriptor {
  const char* name;
  int fewest, most;  // nodes
  const OptionDescriptor* options;
  int option_count;
};
// By ScoreOp.
constexpr OperationDescriptor kScoreOperations[] = {
${operations
  .map(
    ({ name, of, options }) =>
      `{"${name}", ${of[0]}, ${of[1]}, ${options.length > 0 ? `score_ops::${snake(name)}::kOptions, ${options.length}` : 'nullptr, 0'}}`,
  )
  .join(',\n')}};

}  // namespace qpkv
`,
  problems,
)
conclude('generated statistics', problems)
