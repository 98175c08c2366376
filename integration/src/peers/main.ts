// pnpm bench:peers [--file FILE] [--python PYTHON] [--prompts N] [--sentences N] [--share X] [--out REPORT.json]: kept tokens, answers and
// divergence of pruners here and in kvpress, on one model and the same prompts, with equally many tokens kept. PYTHON needs kvpress and gguf.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machineFacts, mean, textTable } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { parseSpec } from '@qpkv/spec'
import { modelFile, realModel } from '../real-model/model-file.ts'
import { askHere, type Outcome } from './ask-here.ts'
import { peerPrompt } from './peer-prompts.ts'

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    prompts: { type: 'string', default: '100' },
    sentences: { type: 'string', default: '60' },
    share: { type: 'string', default: '0.25' },
    out: { type: 'string' },
  },
})

/** The same rule on both sides; what kvpress calls its options. */
const pairs = {
  snapkv: {
    ours: 'snapkv:window=32,kernel=5,pool=mean',
    press: 'SnapKVPress',
    options: { window_size: 32, kernel_size: 5 },
  },
  keydiff: { ours: 'keydiff:last=0', press: 'KeyDiffPress', options: {} },
  knorm: { ours: 'l2norm', press: 'KnormPress', options: {} },
  'expected attention': {
    ours: 'expected-attention:profile=kvpress',
    press: 'ExpectedAttentionPress',
    options: {},
  },
  streamingllm: { ours: 'streamingllm:sinks=4', press: 'StreamingLLMPress', options: { n_sink: 4 } },
} as const
const ANSWER = 12

const folder = fileURLToPath(new URL('../../../.tools/real-model', import.meta.url))
mkdirSync(folder, { recursive: true })
const file = await modelFile(values.file, folder, values.python)
await using model = await loadModel(file, { precision: 'f32', methods: registry })
const { tokenizer } = model
if (!tokenizer) throw new Error('The model has no tokenizer.')
const prompts = Array.from({ length: Number(values.prompts) }, (_, i) => {
  const { text, question, answer } = peerPrompt(i + 1, Number(values.sentences))
  return { ids: tokenizer.encode(text), question: tokenizer.encode(question, { special: false }), answer }
})
const kept = prompts.map(({ ids }) => Math.round(ids.length * Number(values.share)))

interface Theirs {
  readonly versions: Readonly<Record<string, string>>
  readonly full: readonly { readonly answer: readonly number[] }[]
  readonly presses: Readonly<
    Record<string, readonly (Outcome & { readonly kept: readonly (readonly number[][])[] })[]>
  >
}

function askKvpress(): Theirs {
  const [source, target] = [join(folder, 'kvpress-in.json'), join(folder, 'kvpress-out.json')]
  const presses = Object.fromEntries(
    Object.entries(pairs).map(([name, { press, options }]) => [name, { press, options }]),
  )
  writeFileSync(source, JSON.stringify({ prompts, presses, kept, answerTokens: ANSWER }))
  const script = fileURLToPath(new URL('kvpress_peer.py', import.meta.url))
  const { status } = spawnSync(values.python, [script, file, source, target], { stdio: ['ignore', 2, 2] })
  if (status !== 0)
    throw new Error(`${script} failed. It needs: ${values.python} -m pip install kvpress==0.5.5 gguf`)
  return JSON.parse(readFileSync(target, 'utf8')) as Theirs
}

const theirs = askKvpress()
const rows: Record<string, unknown>[] = []
for (const [name, { ours }] of Object.entries(pairs)) {
  const here = []
  for (const [i, prompt] of prompts.entries()) {
    const compression = parseSpec(`${ours}+none@${kept[i]}t`)
    here.push(await askHere(model, prompt, compression, theirs.full[i]?.answer ?? [], ANSWER))
  }
  const there = theirs.presses[name] ?? []
  const right = (answers: readonly (readonly number[])[]) =>
    answers.filter((ids, i) => tokenizer.decode(ids).includes(prompts[i]?.answer ?? ' ')).length
  rows.push({
    method: name,
    spec: ours,
    sameTokens: mean(here.flatMap((one, i) => overlaps(one.kept, there[i]?.kept ?? []))),
    rightHere: right(here.map(({ answer }) => answer)),
    rightThere: right(there.map(({ answer }) => answer)),
    sameAnswers: here.filter((one, i) => String(one.answer) === String(there[i]?.answer)).length,
    klHere: mean(here.map(({ kl }) => kl)),
    klThere: mean(there.map(({ kl }) => kl)),
    top1Here: mean(here.map(({ top1 }) => top1)),
    top1There: mean(there.map(({ top1 }) => top1)),
  })
}

/** Share of equal positions, a number per layer and head. */
function overlaps(
  here: readonly (readonly ArrayLike<number>[])[],
  there: readonly (readonly (readonly number[])[])[],
): number[] {
  return here.flatMap((heads, layer) =>
    heads.map((positions, head) => {
      const others = new Set(there[layer]?.[head])
      return Array.from(positions).filter((position) => others.has(position)).length / positions.length
    }),
  )
}

const report = {
  model: realModel.name,
  date: new Date().toISOString().slice(0, 10),
  machine: machineFacts(),
  table: model.table,
  versions: theirs.versions,
  prompts: prompts.length,
  tokens: mean(prompts.map(({ ids }) => ids.length)),
  share: Number(values.share),
  fullRight: theirs.full.filter(({ answer }, i) =>
    tokenizer.decode(answer).includes(prompts[i]?.answer ?? ' '),
  ).length,
  rows,
}
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(report, undefined, 2)}\n`)
const columns = Object.keys(rows[0] ?? {})
process.stdout.write(
  `full cache right: ${report.fullRight} of ${prompts.length}\n${textTable(
    columns,
    rows.map((row) =>
      columns.map((column) =>
        typeof row[column] === 'number' && !Number.isInteger(row[column])
          ? row[column].toFixed(4)
          : String(row[column]),
      ),
    ),
  )}`,
)
