import { readFile } from 'node:fs/promises'
import { given } from '../bench/option-reader.ts'
import { compareRecords, readResults, type NamedSpec, type Results, type RunIdentity } from '@qpkv/bench-kit'
import { plainForm, promptForms } from '@qpkv/bench-needle'
import { isPlainObject, KvError, type CompressionSpec, type JsonObject } from '@qpkv/spec'
import type { Command } from 'commander'
import { prepareBench } from '../bench/prepare-bench.ts'
import { runBench } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'

interface RunFlags extends ModelFlags {
  readonly out?: string
  readonly data?: string
  readonly config?: string
  readonly assets?: string
  readonly essays?: string
  readonly prompt?: string
  readonly resume?: boolean
  readonly strict?: boolean
  readonly workers: number
  readonly json?: string
}

/** `qpkv run RESULT`: the experiment of a result file once more, and whether it came out alike. */
export function addRun(program: Command, io: Io): void {
  const command = program
    .command('run')
    .description('repeat the experiment of a result file (.jsonl, or the .json that --json wrote)')
    .argument('<RESULT>', 'the result file')
    .option('--out <FILE>', 'the new result file (default: RESULT-again.jsonl)')
    .option('--data <PATH>', 'the benchmark data, where the run read files')
    .option('--config <DIR>', 'longbench: folder of the official config')
    .option('--assets <DIR>', 'ruler, longbench: the assets folder, where the run had one')
    .option('--essays <DIR>', 'needle: the essay folder, where the run had one')
    .option('--prompt <FILE>', 'longbench-v2: the prompt file')
    .option('--resume', 'go on with the new result file')
    .option('--workers <N>', 'samples at once', wholeNumber(1), 1)
    .option('--strict', 'the first failing sample ends the run')
    .option('--json <FILE>', 'write everything as one JSON document, too')
  addModelOptions(command).action(async (path: string, flags: RunFlags) => {
    await repeat(path, flags, io)
  })
}

interface Experiment {
  readonly identity: RunIdentity
  readonly specs: readonly NamedSpec[]
  readonly results: Pick<Results, 'records'>
}

async function repeat(path: string, flags: RunFlags, io: Io): Promise<void> {
  const old = await readExperiment(path)
  const { identity, specs } = old
  await using model = await openModel(flags, io)
  const tools = { model, modelName: flags.model, strict: flags.strict === true }
  const bench = await prepareBench(identity.bench, optionsOf(identity, flags), tools)
  if (bench.identity.model.fingerprint !== identity.model.fingerprint)
    io.stderr.write(`note: the model differs from that of ${path} (${identity.model.name})\n`)
  const again = path.replace(/\.jsonl?$/, '-again.jsonl')
  const records = await runBench(bench, specs, model, { ...flags, out: flags.out ?? again }, io)
  const same = records.filter((record) =>
    old.results.records.some(
      ({ sample, spec, answers }) =>
        sample === record.sample &&
        spec === record.spec &&
        JSON.stringify(answers) === JSON.stringify(record.answers),
    ),
  )
  io.stdout.write(`${same.length} of ${records.length} results are the same as in ${path}, to the letter.\n`)
  const metric = Object.keys(records[0]?.answers[0]?.scores ?? {})[0]
  if (same.length === records.length || metric === undefined || records.length === 0) return
  const { delta, interval } = compareRecords(
    { label: path, records: old.results.records },
    { label: 'again', records },
    { metric },
  )
  io.stdout.write(
    `mean ${metric} changed by ${delta.toFixed(4)} (95 % ${interval.low.toFixed(4)} to ${interval.high.toFixed(4)})\n`,
  )
}

async function readExperiment(path: string): Promise<Experiment> {
  if (path.endsWith('.jsonl')) {
    const results = await readResults(path)
    return { identity: results.header.identity, specs: [...results.specs.values()], results }
  }
  const value: unknown = await readFile(path, 'utf8')
    .then((text) => JSON.parse(text) as unknown)
    .catch((cause: unknown) => {
      throw new KvError('KV_RESULT_FILE', `Cannot read ${path}: ${(cause as Error).message}.`, { cause })
    })
  const header = isPlainObject(value) ? value['header'] : undefined
  const specs = isPlainObject(value) ? value['specs'] : undefined
  if (
    !isPlainObject(value) ||
    !isPlainObject(header) ||
    !isPlainObject(specs) ||
    !Array.isArray(value['records'])
  ) {
    throw new KvError('KV_RESULT_FILE', `${path}: expected header, specs and records.`, {
      hint: 'Give a .jsonl result file, or a .json that --json wrote.',
    })
  }
  return {
    identity: header['identity'] as RunIdentity,
    specs: Object.values(specs) as unknown as (NamedSpec & { spec: CompressionSpec })[],
    results: { records: value['records'] as Results['records'] },
  }
}

/** The options of a run from what its file says; paths come from the command line. */
function optionsOf({ bench, task }: RunIdentity, flags: RunFlags): JsonObject {
  const paths = Object.fromEntries(
    (['data', 'config', 'assets', 'essays', 'prompt'] as const).flatMap((name) =>
      flags[name] === undefined ? [] : [[name, flags[name]]],
    ),
  ) as JsonObject
  if (bench === 'needle') {
    const { haystack } = task
    const essays = typeof haystack === 'string' && !haystack.startsWith('world ')
    if (essays && paths['essays'] === undefined)
      throw new KvError('KV_INVALID_OPTION', 'The run read essays; say where they are now.', {
        hint: 'Add --essays DIR.',
      })
    return { ...needleOptions(task), ...paths }
  }
  const { source, data: _hash, prompts: _prompts, notice: _notice, ...rules } = task
  const { files, assets, scripts: _scripts, ...read } = source as JsonObject
  if (files === true && paths['data'] === undefined)
    throw new KvError('KV_INVALID_OPTION', 'The run read data files; say where they are now.', {
      hint: 'Add --data PATH.',
    })
  if (typeof assets === 'string' && assets !== 'own' && paths['assets'] === undefined)
    throw new KvError('KV_INVALID_OPTION', `The run had the assets "${assets}"; say where they are now.`, {
      hint: 'Add --assets DIR.',
    })
  return { ...rules, ...read, ...paths }
}

function needleOptions(task: JsonObject): JsonObject {
  if (task['form'] === 'reference-world') {
    const [part, more] = task['parts'] as readonly JsonObject[]
    if (part === undefined || more !== undefined)
      throw new KvError('KV_UNSUPPORTED', 'This file holds several parts; qpkv demo --out repeats it.')
    return part
  }
  return gridOptions(task)
}

/** A grid's options; its prompt form stands in the file as text. */
function gridOptions(task: JsonObject): JsonObject {
  const { form: text, haystack, maxTokens, sentenceEnds, ...same } = task
  const forms = { plain: plainForm, ...promptForms }
  const form = Object.entries(forms).find(([, one]) => one.text === text)?.[0]
  if (form === undefined)
    throw new KvError('KV_UNSUPPORTED', 'The prompt form of this file has no name here.')
  const seed = /^world (\d+)$/.exec(typeof haystack === 'string' ? haystack : '')?.[1]
  return given({
    ...same,
    form,
    newTokens: maxTokens,
    sentenceEnds: sentenceEnds ?? undefined,
    seed: seed === undefined ? undefined : Number(seed),
  })
}
