/** Programs of a stranger's project, by file name. argv[2] is a model folder. */
export const programs: Readonly<Record<string, string>> = {
  'esm.mjs': `import { loadModel } from '@qpkv/core'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
const model = await loadModel(process.argv[2], { threads: 1 })
const prompt = 'The special magic number for amber-acorn is: 1234567. The red boat crosses the hill.' +
  '\\nQuestion: What is the special magic number for amber-acorn?\\nAnswer: The special magic number for amber-acorn is'
const context = await model.prefill(prompt, { compression: { budget: { tokens: 48 }, prune: snapkv({ window: 16 }), quantize: kivi({ bits: 4, recent: 8 }) } })
const { text } = await context.generate({ maxTokens: 12, temperature: 0 }).result
if (!text.startsWith(' 1234567.')) throw new Error('unexpected answer ' + JSON.stringify(text))
await context.dispose()
await model.dispose()
console.log('ok')
`,
  'cjs.cjs': `const core = require('@qpkv/core')
const { snapkv } = require('@qpkv/pruner-snapkv')
const { kivi } = require('@qpkv/quantizer-kivi')
async function main() {
  const model = await core.loadModel(process.argv[2], { threads: 1 })
  const context = await model.prefill('The red boat crosses the hill.', { compression: { budget: { tokens: 48 }, prune: snapkv(), quantize: kivi() } })
  const { tokens } = await context.generate({ maxTokens: 2 }).result
  if (tokens.length === 0) throw new Error('no tokens')
  await context.dispose()
  await model.dispose()
  console.log('ok')
}
main().catch((error) => { console.error(error); process.exitCode = 1 })
`,
  'worker.mjs': `import { Worker } from 'node:worker_threads'
const worker = new Worker(new URL('./esm.mjs', import.meta.url), { argv: [process.argv[2]] })
worker.on('error', (error) => { throw error })
worker.on('exit', (code) => { if (code !== 0) process.exitCode = 1 })
`,
  'types.mts': `import { loadModel, type Context } from '@qpkv/core'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
export async function answer(folder: string): Promise<Context> {
  const model = await loadModel(folder, { threads: 1 })
  return model.prefill('text', { compression: { prune: snapkv(), quantize: kivi({ bits: 2 }), budget: { bytes: '64KiB' } } })
}
`,
}

/**
 * Imports every package, and lets every method answer once. The project resolves nothing but what a package declares, so one that forgot a
 * dependency fails here.
 */
export const everyPackage = (names: readonly string[]): string => `import { loadModel } from '@qpkv/core'
import { keydiff } from '@qpkv/pruner-keydiff'
const model = await loadModel(process.argv[2], { threads: 1 })
const text = 'The red boat crosses the hill. '.repeat(40)
for (const name of ${JSON.stringify(names)}) {
  const exported = await import(name)
  if (Object.keys(exported).length === 0) throw new Error(name + ' exports nothing')
  if (!/\\/(?:kv-)?(pruner|quantizer)-/.test(name)) continue
  const method = exported.default
  const budget = { fp16Tokens: 64 }
  const part = {
    pruner: () => ({ budget, prune: method() }),
    allocator: () => ({ budget, prune: keydiff(), allocate: method() }),
    sharing: () => ({ budget, prune: keydiff(), share: method() }),
    quantizer: () => ({ quantize: method() }),
  }[method?.role]?.()
  if (!part) throw new Error(name + ' has no method as its default export')
  const context = await model.prefill(text, { compression: part })
  const { tokens } = await context.generate({ maxTokens: 2, stopTokens: [] }).result
  if (tokens.length !== 2) throw new Error(name + ' gave ' + tokens.length + ' tokens')
  await context.dispose()
}
await model.dispose()
console.log('ok')
`
