import { join, resolve } from 'node:path'
import { formatDuration, tableText } from '@qpkv/bench-kit'
import {
  defaultDepths,
  demoRows,
  needle,
  needleOutcome,
  needleTable,
  writeDemoFiles,
  type NeedleResult,
} from '@qpkv/bench-needle'
import type { Model } from '@qpkv/core'
import type { Command } from 'commander'
import { refuseFailures } from '../bench/failures.ts'
import { openRun } from '../bench/open-run.ts'
import { measure } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { numberFrom, wholeNumber, wholeNumbers } from '../options/numbers.ts'

interface DemoFlags extends ModelFlags {
  readonly seed: number
  readonly scale: number
  readonly lengths: number[]
  readonly out: string
  readonly replace?: boolean
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
    .option('--replace', 'measure again what an earlier run left there (default: go on with it)')
  addModelOptions(command).action(async (flags: DemoFlags) => {
    await demo(flags, io)
  })
}

async function demo(flags: DemoFlags, io: Io): Promise<void> {
  const started = performance.now()
  await using model = await openModel(flags, io)
  const results: NeedleResult[] = []
  const files: string[] = []
  for (const protocol of ['query-aware', 'query-agnostic'] as const) {
    const out = join(flags.out, `${protocol}.jsonl`)
    results.push(await runPart(protocol, out, model, flags, io))
    files.push(out)
  }
  printOutcomes(results, io)
  const written = await writeDemoFiles({ folder: flags.out, results, resultFiles: files })
  io.stdout.write('\nWritten:\n')
  for (const file of [...files.map((path) => ({ path, what: 'results as they came' })), ...written])
    io.stdout.write(`  ${resolve(file.path)}  ${file.what}\n`)
  io.stderr.write(`done in ${formatDuration(performance.now() - started)} on ${model.table}\n`)
}

async function runPart(
  protocol: keyof typeof TEXTS,
  out: string,
  model: Model,
  { seed, scale, lengths, model: modelName, replace = false }: DemoFlags,
  io: Io,
): Promise<NeedleResult> {
  const { longest, others } = TEXTS[protocol]
  const top = Math.max(...lengths)
  const samples = lengths.map((length) =>
    Math.max(1, Math.round((length === top ? longest : others) * scale)),
  )
  const questions = protocol === 'query-aware' ? 1 : QUESTIONS
  const task = { protocol, seed, lengths, keys: KEYS, questions, depths: defaultDepths }
  const rows = demoRows(protocol)
  const run = await openRun(needle, { ...task, samples }, { model, modelName, strict: true, io })
  const flags = { out, replace, strict: true, workers: 1 }
  const { results, records } = await measure(run, rows, model, flags, io, `demo, ${protocol}`)
  refuseFailures(results, rows)
  return { task, rows, records }
}

function printOutcomes(results: readonly NeedleResult[], io: Io): void {
  for (const result of results) {
    const { title, length, summaries, verdict } = needleOutcome(result)
    io.stdout.write(`\n${length} tokens with ${result.task.keys} numbers hidden; ${title}\n\n`)
    io.stdout.write(`${tableText(needleTable(summaries))}\n${verdict}\n`)
  }
}
