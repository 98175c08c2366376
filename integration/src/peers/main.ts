// pnpm bench:peers [--file FILE] [--python PYTHON] [--only pruners|caches] [--prompts N] [--timed N] [--sentences N] [--share X]
//   [--threads N] [--out REPORT.json] [--markdown PAGE.md]
// One model and the same prompts in qpkv and in the tools that people use today. `pruners`: which tokens kvpress keeps, and which we do. `caches`:
// answers, divergence, bytes and times of caches here, in node-llama-cpp and in transformers, prompt by prompt in turn.
// A run goes on where it stopped: `--prompts 12` on an idle machine, then `--prompts 100 --timed 12` whenever, gives times of the first alone.
// PYTHON needs: pip install kvpress==0.5.5 transformers==5.2.0 gguf optimum-quanto hqq accelerate
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machineFacts, mean } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { modelFile, realModel } from '../real-model/model-file.ts'
import { cacheSides } from './cache-sides.ts'
import { compareCaches, type CachePrompt } from './caches.ts'
import { peerPrompt } from './peer-prompts.ts'
import { comparePruners } from './pruners.ts'
import { cachesTable, pairsTable, prunersTable, writeIntoPage } from './tables.ts'

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    only: { type: 'string' },
    prompts: { type: 'string', default: '100' },
    timed: { type: 'string' },
    sentences: { type: 'string', default: '50' },
    facts: { type: 'string', default: '2' },
    share: { type: 'string', default: '0.25' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string' },
    markdown: { type: 'string' },
  },
})
const ANSWER = 12

const folder = fileURLToPath(new URL('../../../.tools/real-model', import.meta.url))
mkdirSync(folder, { recursive: true })
const file = resolve(await modelFile(values.file, folder, values.python))
await using model = await loadModel(file)
const { tokenizer } = model
if (!tokenizer) throw new Error('The model has no tokenizer.')
const prompts: CachePrompt[] = []
// HQQ packs 2 bits only where four divides the tokens.
for (let seed = 1; prompts.length < Number(values.prompts); seed++) {
  const { text, question, answer } = peerPrompt(seed, Number(values.sentences), Number(values.facts))
  const ids = tokenizer.encode(text)
  if (ids.length % 4 === 0)
    prompts.push({ ids, question: tokenizer.encode(question, { special: false }), answer })
}
const asked = (part: string) => values.only === undefined || values.only === part

const share = Number(values.share)
const timed = Number(values.timed ?? prompts.length)
const pruners = asked('pruners')
  ? await comparePruners(file, prompts, ANSWER, { share, python: values.python, folder })
  : undefined
const caches = asked('caches')
  ? await compareCaches(
      cacheSides(file, folder, values.python, Number(values.threads)),
      prompts,
      ANSWER,
      (ids) => tokenizer.decode(ids),
      join(folder, 'peer-caches.jsonl'),
      timed,
    )
  : undefined

const report = {
  model: realModel.name,
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(),
  table: model.table,
  threads: Number(values.threads),
  prompts: prompts.length,
  timedPrompts: timed,
  tokens: mean(prompts.map(({ ids }) => ids.length)),
  share,
  pruners,
  caches,
}
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(report, undefined, 2)}\n`)
const tables = {
  ...(pruners && { pruners: prunersTable(pruners.rows, prompts.length) }),
  ...(caches && { caches: cachesTable(caches.rows), pairs: pairsTable(caches.pairs) }),
}
for (const [part, table] of Object.entries(tables) as [keyof typeof tables, string][]) {
  process.stdout.write(`${table}\n\n`)
  if (values.markdown !== undefined) writeIntoPage(values.markdown, part, table)
}
