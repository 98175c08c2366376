import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The text of architectures.ts from the files in `families` of a model folder. */
export function familyList(model: string): string {
  const files = readdirSync(join(model, 'families')).sort()
  const names = files.map((file) => {
    const found = /^export const (\w+): Architecture/m.exec(
      readFileSync(join(model, 'families', file), 'utf8'),
    )
    if (!found?.[1]) throw new Error(`Expected "export const NAME: Architecture" in families/${file}.`)
    return found[1]
  })
  return `// Written by tools/generate-architectures.ts from the files in families/.
import type { Architecture } from './architecture.ts'
${files.map((file, i) => `import { ${names[i]} } from './families/${file}'`).join('\n')}

/** The families of models that are known. */
export const architectures: readonly Architecture[] = [
${names.map((name) => `  ${name},`).join('\n')}
]
`
}
