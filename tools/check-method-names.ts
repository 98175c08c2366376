// Methods and engine meet only in the plan: no file of the engine (TypeScript or C++) contains the name of a registered method.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { conclude, filesUnder, root } from './workspace.ts'

// `none` lives in spec; int8 is a type's name everywhere, uniform and random those of numbers; expected-attention is a statistic's, hadamard a
// transform's in the plan.
const allowed = new Set(['none', 'int8', 'uniform', 'random', 'expected-attention', 'hadamard'])
const names = ['pruners', 'quantizers']
  .flatMap((group) => readdirSync(join(root, 'packages', group)))
  .filter((name) => !allowed.has(name))
// "kivi" is also the name of a residual rule in the plan (DESIGN section 4): the quoted value and its enum are data, not a method.
const residualRule = /'unified' \| 'kivi'|residual: 'kivi'|["']kivi["']|kKivi/gi

const problems: string[] = []
for (const folder of ['packages/core/src', 'packages/core/native'])
  for (const file of filesUnder(
    folder,
    (path) => /\.(ts|cc|h)$/.test(path) && !/\/(test|lab)\//.test(path),
  )) {
    const lines = readFileSync(join(root, file), 'utf8').replaceAll(residualRule, '').split('\n')
    lines.forEach((line, index) => {
      if (/^\s*(\/\/|\*|\/\*)/.test(line)) return // prose may cite a paper
      const found = names.find((name) => new RegExp(`\\b${name}\\b`, 'i').test(line.replace(/\/\/.*$/, '')))
      if (found) problems.push(`${file}:${index + 1}: names the method "${found}"`)
    })
  }
conclude('method names', problems)
