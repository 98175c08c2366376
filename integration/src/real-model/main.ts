// pnpm real-model [--file FILE] [--python PYTHON] [--out REPORT.json]: a model that others trained, held
// against two other programs that run it. See docs/real-checkpoints.md.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machineFacts } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { compareWithLlamaCpp } from './llama-cpp.ts'
import { modelFile, realModel } from './model-file.ts'
import { compareWithTransformers } from './transformers.ts'

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    out: { type: 'string' },
  },
})
const folder = fileURLToPath(new URL('../../../.tools/real-model', import.meta.url))
const file = await modelFile(values.file, folder, values.python)

await using model = await loadModel(file, { precision: 'f32' })
const questions = ['What is the capital of France?', 'Write one sentence about the sea.']
const replies: Record<string, string> = {}
for (const question of questions) {
  await using context = await model.prefill([{ role: 'user', content: question }])
  replies[question] = (await context.generate({ maxTokens: 40, temperature: 0 }).result).text
}
const llamaCpp = await compareWithLlamaCpp(model, file, join(folder, 'peer'))
const transformers = await compareWithTransformers(model, file, folder, values.python)
const report = {
  model: realModel.name,
  sha256: realModel.sha256,
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(),
  table: model.table,
  precision: model.precision,
  replies,
  llamaCpp,
  transformers: transformers ?? 'not checked',
}
const text = `${JSON.stringify(report, undefined, 2)}\n`
process.stdout.write(text)
if (values.out !== undefined) writeFileSync(values.out, text)
const wrong =
  llamaCpp.textsEqual < llamaCpp.texts ||
  (transformers !== undefined &&
    (transformers.textsEqual < transformers.texts ||
      [transformers.file, transformers.exported].some(({ checks }) =>
        checks.some(({ outcome }) => outcome === 'failed'),
      )))
if (wrong) process.exitCode = 1
