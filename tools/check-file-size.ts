// One concept per file: warn above 300 lines, fail above 400. Goldens, word lists and the training scripts are exempt.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { conclude, filesUnder, root } from './workspace.ts'

const exempt = /goldens?\/|\/training\/|\/words\/|lexicon|word-list/
const problems: string[] = []
for (const folder of ['packages', 'integration', 'tools', 'scripts'])
  for (const file of filesUnder(
    folder,
    (path) => /\.(ts|mjs|cc|h|cu|cuh|py)$/.test(path) && !exempt.test(path),
  )) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length
    if (lines > 400) problems.push(`${file}: ${lines} lines; split it into concepts (limit 400)`)
    else if (lines > 300) console.warn(`file size: ${file} has ${lines} lines; two concepts under one name?`)
  }
conclude('file size', problems)
