// Writes the list of model families from the files in packages/core/src/model/families. `--check` compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { familyList } from './family-list.ts'
import { conclude, root } from './workspace.ts'

const model = join(root, 'packages', 'core', 'src', 'model')
const path = join(model, 'architectures.ts')
const text = familyList(model)
const problems: string[] = []
if (!process.argv.includes('--check')) writeFileSync(path, text)
else if (readFileSync(path, 'utf8') !== text)
  problems.push('architectures.ts does not list the files in families/; run "npm run generate"')
conclude('model families', problems)
