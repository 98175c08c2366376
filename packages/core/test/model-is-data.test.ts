import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { expect, it, onTestFinished } from 'vitest'
import { loadModel } from '../src/load-model.ts'
import { temporaryFolder } from './support/model-folder.ts'

/** Code where loaders of other libraries, Node or this package could find it if they looked into the folder of a model. */
const places = [
  'index.js',
  'config.js',
  'tokenizer.js',
  'chat_template.js',
  'modeling_llama.py',
  'tokenizer.py',
  'build/Release/qpkv_core.node',
  'node_modules/oniguruma-to-es/index.js',
  'node_modules/regex/index.js',
  'node_modules/@qpkv/core-linux-x64-gnu/index.js',
]

it('no code of a model folder is executed, not even in that folder and where its files name it', async () => {
  const folder = temporaryFolder()
  const trace = temporaryFolder()
  cpSync(modelFolder, folder, { recursive: true })
  for (const place of places) {
    const file = join(folder, place)
    mkdirSync(dirname(file), { recursive: true })
    const mark = JSON.stringify(join(trace, place.replaceAll('/', '-')))
    writeFileSync(file, `require('node:fs').writeFileSync(${mark}, '')\n`)
    const manifest = { name: 'code', main: place.endsWith('.js') ? './index.js' : place }
    writeFileSync(join(dirname(file), 'package.json'), JSON.stringify(manifest))
  }
  const named = { auto_map: { AutoModelForCausalLM: 'modeling_llama.Model', AutoTokenizer: ['tokenizer.T'] } }
  for (const name of ['config.json', 'tokenizer_config.json']) addTo(join(folder, name), named)

  const before = process.cwd()
  process.chdir(folder)
  onTestFinished(() => {
    process.chdir(before)
  })
  const model = await loadModel('.', { threads: 1 })
  const context = await model.prefill([{ role: 'user', content: 'The boat' }])
  await context.generate({ maxTokens: 2 }).result
  await context.dispose()
  await model.dispose()
  expect(readdirSync(trace)).toEqual([])

  createRequire(join(folder, 'x.js'))('oniguruma-to-es') // the marks work
  expect(readdirSync(trace)).toEqual(['node_modules-oniguruma-to-es-index.js'])
})

function addTo(file: string, values: object): void {
  const before = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...before, ...values }))
}
