import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Progress, readResults, resultFileName, ResultWriter, toJsonDocument } from '@qpkv/bench-kit'
import {
  countSamples,
  defaultDepths,
  needleOutcome,
  needleRow,
  needleTable,
  referenceIdentity,
  runReference,
  tableText,
  type NeedlePart,
} from '@qpkv/bench-needle'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addCompressionOptions, readCompression, type CompressionFlags } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber, wholeNumbers } from '../options/numbers.ts'
import { benchVersions, modelIdentity } from '../output/bench-versions.ts'
import { UsageError } from '../usage-error.ts'

interface NeedleFlags extends ModelFlags, CompressionFlags {
  readonly keys: number
  readonly length: number[]
  readonly samples: number
  readonly agnostic?: boolean
  readonly questions?: number
  readonly depths: number[]
  readonly seed: number
  readonly out?: string
  readonly resume?: boolean
  readonly json?: string
}

/** `qpkv bench needle`: one row of the demo, for any spec. */
export function addBenchNeedle(bench: Command, io: Io): void {
  const command = bench
    .command('needle')
    .description('hide numbers in texts of the bundled world and ask for them')
    .option('--keys <N>', 'numbers hidden in a text', wholeNumber(1), 16)
    .option('--length <N,...>', 'tokens of a text', wholeNumbers(64), [2048])
    .option('--samples <N>', 'texts per length', wholeNumber(1), 100)
    .option('--agnostic', 'compress the text alone and ask afterwards (default: text and question together)')
    .option('--questions <N>', 'questions per text, with --agnostic (default 4)', wholeNumber(1))
    .option('--depths <P,...>', 'where asked numbers lie, per cent of the text', wholeNumbers(0), [
      ...defaultDepths,
    ])
    .option('--seed <N>', 'same seed, same texts', wholeNumber(0), 1)
    .option('--out <FILE>', 'result file, JSON lines (default: results/needle-….jsonl)')
    .option('--resume', 'go on with the result file')
    .option('--json <FILE>', 'write everything as one JSON document, too')
  addCompressionOptions(addModelOptions(command)).action(async (flags: NeedleFlags) => {
    await benchNeedle(flags, io)
  })
}

async function benchNeedle(flags: NeedleFlags, io: Io): Promise<void> {
  const parts = [await partOf(flags)]
  await using model = await openModel(flags, io)
  const identity = referenceIdentity(parts, await modelIdentity(model, flags.model))
  const path = flags.out ?? join('results', resultFileName(identity))
  const mode = flags.resume === true ? 'resume' : 'replace'
  const writer = ResultWriter.open({ path, identity, versions: benchVersions(model), mode })
  try {
    const progress = new Progress({ total: countSamples(parts), label: 'needle', stream: io.stderr })
    const results = await runReference({ model, parts, writer, signal: io.signal, progress })
    progress.end()
    for (const result of results)
      io.stdout.write(`${tableText(needleTable(needleOutcome(result).summaries))}\n`)
  } finally {
    writer.close()
  }
  io.stderr.write(`results: ${path}\n`)
  if (flags.json === undefined) return
  await mkdir(dirname(flags.json), { recursive: true })
  await writeFile(flags.json, `${JSON.stringify(toJsonDocument(await readResults(path)), undefined, 2)}\n`)
}

async function partOf(flags: NeedleFlags): Promise<NeedlePart> {
  const agnostic = flags.agnostic === true
  if (!agnostic && flags.questions !== undefined && flags.questions > 1)
    throw new UsageError(
      'Expected --agnostic with --questions above 1.',
      'A prompt that holds its question has only one.',
    )
  const { length, keys, seed, samples, depths } = flags
  return {
    task: {
      protocol: agnostic ? 'query-agnostic' : 'query-aware',
      lengths: length,
      keys,
      seed,
      samples,
      depths,
      questions: agnostic ? (flags.questions ?? 4) : 1,
    },
    rows: [needleRow(await readCompression(flags))],
  }
}
