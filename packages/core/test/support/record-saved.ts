import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder } from '@qpkv/reference-model'
import { loadAddon, loadModel } from '../../src/index.ts'

/*
 * Writes test/goldens/saved anew: a context saved by the fastest table of this machine, and the tokens that each table gives
 * from it. Only where the layout changes: node --conditions=@qpkv/source --import tsx packages/core/test/support/record-saved.ts
 */
const place = fileURLToPath(new URL('../goldens/saved/', import.meta.url))
const path = join(place, 'keydiff-kivi-4bit.context')
rmSync(path, { force: true })
mkdirSync(place, { recursive: true })
const writer = await loadModel(modelFolder)
const text = 'The red boat lies at the pier. '.repeat(30)
const context = await writer.prefill(text, {
  compression: {
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 4, recent: 8 }),
    budget: { tokens: 72 },
  },
})
await context.append(' The key of the boat is')
await context.save(path)
const tokens: Record<string, number[]> = {}
for (const table of loadAddon()
  .addon.opTables()
  .filter((name) => name !== 'reference')) {
  const model = await loadModel(modelFolder, { table })
  const opened = await model.open(path)
  const { tokens: said } = await opened.generate({ maxTokens: 24, stopTokens: [], temperature: 0 }).result
  tokens[table] = [...said]
  await opened.dispose()
  await model.dispose()
}
writeFileSync(join(place, 'tokens.json'), JSON.stringify({ written: writer.table, tokens }) + '\n')
await context.dispose()
await writer.dispose()
