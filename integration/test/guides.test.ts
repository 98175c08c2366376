import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { modelFolder } from '@qpkv/reference-model'
import { needlePrompt } from './needle-prompt.ts'
import { afterAll, describe, test } from 'vitest'

const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const work = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.guide-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

interface Block {
  readonly label: string
  readonly code: string
}

/** Code blocks of a guide, by the word behind ```ts. A block without one is an error: it would not be run. */
function blocksOf(guide: string): Block[] {
  const text = readFileSync(join(docs, guide), 'utf8')
  return [...text.matchAll(/^```ts ?(\S*)\n([\s\S]*?)^```$/gm)].map(([, label = '', code = '']) => {
    if (label === '') throw new Error(`${guide} has a code block that no test knows: ${code}`)
    return { label, code }
  })
}

/** Runs a block as a module of its own; `before` stands in front of it. */
async function runModule(name: string, before: string, code: string): Promise<Record<string, unknown>> {
  mkdirSync(work, { recursive: true })
  const file = join(work, `${name}.ts`)
  writeFileSync(file, `${before}\n${code}`)
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Record<string, unknown>
}

describe.each([
  {
    guide: 'write-a-pruner.md',
    definition: 'pruner',
    symbol: 'smallNorm',
    others: [
      ['score', 'prune'],
      ['allocator', 'prune: smallNorm(), allocate'],
      ['measure', 'prune: smallNorm(), allocate'],
      ['sharing', 'prune: smallNorm(), share'],
    ],
  },
  {
    guide: 'write-a-quantizer.md',
    definition: 'quantizer',
    symbol: 'plain',
    others: [['simulated', 'quantize']],
  },
])('docs/$guide', async ({ guide, definition, symbol, others }) => {
  const blocks = blocksOf(guide)
  const code = (label: string) => blocks.find((block) => block.label === label)?.code ?? ''
  const name = guide.replace('.md', '')
  await runModule(`${name}-definition`, '', code(definition))
  const given = `import { ${symbol} } from './${name}-definition.ts'
const modelFolder = ${JSON.stringify(modelFolder)}
const prompt = ${JSON.stringify(needlePrompt())}
const console = { log() {} }
`
  test('its Use block answers from a compressed cache', () => runModule(`${name}-use`, given, code('use')))

  test.each(others as [string, string][])('its %s block defines a method that runs', async (label, slot) => {
    const [[exported = ''] = []] = [...code(label).matchAll(/export const (\w+)/g)].map((match) => [match[1]])
    await runModule(`${name}-${label}`, '', code(label))
    const use = `import { loadModel } from '@qpkv/core'
import { ${exported} } from './${name}-${label}.ts'
const model = await loadModel(modelFolder)
const context = await model.prefill(prompt, { compression: { ${slot === 'quantize' ? '' : 'budget: { tokens: 120 }, '}${slot}: ${exported}() } })
const reply = await context.generate({ maxTokens: 4, temperature: 0 }).result
if (reply.tokens.length === 0) throw new Error('no tokens')
await context.dispose()
await model.dispose()
`
    await runModule(`${name}-${label}-use`, given, use)
  })

  // The suite registers its own tests here, as it does in a package.
  await runModule(`${name}-test`, `import { ${symbol} } from './${name}-definition.ts'`, code('test'))
})
