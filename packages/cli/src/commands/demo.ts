import { join, resolve } from 'node:path'
import { formatDuration, Progress, ResultWriter } from '@qpkv/bench-kit'
import {
  countSamples,
  defaultDepths,
  demoRows,
  needleOutcome,
  needleTable,
  referenceIdentity,
  runReference,
  tableText,
  writeDemoFiles,
  type NeedlePart,
  type NeedleResult,
  type NeedleTask,
} from '@qpkv/bench-needle'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { numberFrom, wholeNumber, wholeNumbers } from '../options/numbers.ts'
import { benchVersions, modelIdentity } from '../output/bench-versions.ts'

interface DemoFlags extends ModelFlags {
  readonly seed: number
  readonly scale: number
  readonly lengths: number[]
  readonly out: string
  readonly resume?: boolean
}

const LENGTHS = [512, 1024, 2048]
/** Texts per length: the table and the sentence are about the longest one, the others are for the heat map. */
const TEXTS = {
  'query-aware': { longest: 50, others: 10 },
  'query-agnostic': { longest: 20, others: 5 },
} as const
const QUESTIONS = 4
const KEYS = 16

/** `qpkv demo`: at one memory budget, how many tokens at how many bits? */
export function addDemo(program: Command, io: Io): void {
  const command = program
    .command('demo')
    .description('compare ways to spend one memory budget on the bundled model; about a minute')
    .option('--seed <N>', 'same seed, same texts', wholeNumber(0), 1)
    .option('--scale <X>', 'times as many texts', numberFrom(0.05, 1000), 1)
    .option('--lengths <N,...>', 'tokens of the texts', wholeNumbers(256), LENGTHS)
    .option('--out <DIR>', 'where pictures and results go', 'qpkv-demo')
    .option('--resume', 'go on with the results of an earlier run')
  addModelOptions(command).action(async (flags: DemoFlags) => {
    await demo(flags, io)
  })
}

async function demo(flags: DemoFlags, io: Io): Promise<void> {
  const started = performance.now()
  const parts = demoParts(flags)
  await using model = await openModel(flags, io)
  const identity = referenceIdentity(parts, await modelIdentity(model, flags.model))
  const path = join(flags.out, 'results.jsonl')
  const mode = flags.resume === true ? 'resume' : 'replace'
  const writer = ResultWriter.open({ path, identity, versions: benchVersions(model), mode })
  let results: NeedleResult[]
  try {
    const progress = new Progress({ total: countSamples(parts), label: 'demo', stream: io.stderr })
    results = await runReference({ model, parts, writer, signal: io.signal, progress })
    progress.end()
  } finally {
    writer.close()
  }
  printOutcomes(results, io)
  const files = await writeDemoFiles({ folder: flags.out, results, resultFile: path })
  io.stdout.write('\nWritten:\n')
  for (const file of [{ path, what: 'results as they came' }, ...files])
    io.stdout.write(`  ${resolve(file.path)}  ${file.what}\n`)
  io.stderr.write(`done in ${formatDuration(performance.now() - started)} on ${model.table}\n`)
}

const demoParts = (flags: DemoFlags): NeedlePart[] => [
  { task: demoTask('query-aware', 1, flags), rows: demoRows('query-aware') },
  { task: demoTask('query-agnostic', QUESTIONS, flags), rows: demoRows('query-agnostic') },
]

function demoTask(
  protocol: keyof typeof TEXTS,
  questions: number,
  { seed, scale, lengths }: DemoFlags,
): NeedleTask {
  const { longest, others } = TEXTS[protocol]
  const top = Math.max(...lengths)
  const samples = lengths.map((length) =>
    Math.max(1, Math.round((length === top ? longest : others) * scale)),
  )
  return { protocol, seed, lengths, samples, keys: KEYS, questions, depths: defaultDepths }
}

function printOutcomes(results: readonly NeedleResult[], io: Io): void {
  for (const result of results) {
    const { title, length, summaries, verdict } = needleOutcome(result)
    io.stdout.write(`\n${length} tokens with ${result.task.keys} numbers hidden; ${title}\n\n`)
    io.stdout.write(`${tableText(needleTable(summaries))}\n${verdict}\n`)
  }
}
