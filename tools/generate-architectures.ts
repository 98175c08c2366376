// Writes the list of model families from the files in packages/core/src/model/families. `--check` compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

const model = join(root, 'packages', 'core', 'src', 'model')
const path = join(model, 'architectures.ts')
const files = readdirSync(join(model, 'families')).sort()
const names = files.map((file) => {
  const found = /^export const (\w+): Architecture/m.exec(readFileSync(join(model, 'families', file), 'utf8'))
  if (!found?.[1]) throw new Error(`Expected "export const NAME: Architecture" in families/${file}.`)
  return found[1]
})
const text = `// Written by tools/generate-architectures.ts from the files in families/.
import type { Architecture } from './architecture.ts'
${files.map((file, i) => `import { ${names[i]} } from './families/${file}'`).join('\n')}

/** The families of models that are known. */
export const architectures: readonly Architecture[] = [
${names.map((name) => `  ${name},`).join('\n')}
]
`
if (!process.argv.includes('--check')) writeFileSync(path, text)
else if (readFileSync(path, 'utf8') !== text) {
  console.error('architectures.ts does not list the files in families/: type npm run generate')
  process.exitCode = 1
}
