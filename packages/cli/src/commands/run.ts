import { canonicalJson, modelFingerprint, readResults, type Results, type RunIdentity } from '@qpkv/bench-kit'
import { modelFolder } from '@qpkv/reference-model'
import type { Command } from 'commander'
import { prepareBench } from '../bench/prepare-bench.ts'
import { prepareNeedleParts } from '../bench/needle-world.ts'
import type { BenchTools, PreparedBench } from '../bench/prepared-bench.ts'
import { measure } from '../bench/run-bench.ts'
import { refuseFailures } from '../bench/failures.ts'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { benchVersions } from '../output/bench-versions.ts'
import { repeatText } from '../run/compare-repeat.ts'
import { readExperiment } from '../run/read-experiment.ts'
import { repeatOptions, type RepeatPaths } from '../run/repeat-options.ts'
import { UsageError } from '../usage-error.ts'

interface RunFlags extends ModelFlags, RepeatPaths {
  readonly out?: string
  readonly resume?: boolean
  readonly strict?: boolean
  readonly workers: number
  readonly json?: string
  readonly csv?: string
}

/** `qpkv run RESULT`: the experiment of a result file once more, and whether it came out alike. */
export function addRun(program: Command, io: Io): void {
  const command = program
    .command('run')
    .description('repeat the experiment of a result file (.jsonl, or the .json that --json wrote)')
    .argument('<RESULT>', 'the result file: of a bench, the demo or a sweep')
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
    .option('--csv <FILE>', 'write one row per answer, too')
  addModelOptions(command).action(async (path: string, flags: RunFlags) => {
    const named = command.getOptionValueSource('model') !== 'default'
    await repeat(path, flags, named, io)
  })
}

async function repeat(path: string, flags: RunFlags, named: boolean, io: Io): Promise<void> {
  const old = await readExperiment(path)
  const { identity, versions } = old.header
  const modelName = named ? flags.model : await modelOf(path, identity)
  const { precision = flags.precision } = identity.model as { precision?: ModelFlags['precision'] }
  const wanted = { ...flags, model: modelName, ...(precision === undefined ? {} : { precision }) }
  await using model = await openModel(wanted, io)
  const tools = { model, modelName, strict: flags.strict === true }
  const bench = await prepareAgain(old, flags, tools)
  if (bench.identity.model.fingerprint !== identity.model.fingerprint)
    io.stderr.write(`note: the model differs from that of ${path} (${identity.model.name})\n`)
  if (!sameTask(bench.identity, identity))
    io.stderr.write(`note: the data or texts differ from those of ${path}\n`)
  const again = path.replace(/(\.jsonl?)?$/, '-again.jsonl')
  const specs = [...old.specs.values()]
  const { path: file, records } = await measure(
    bench,
    specs,
    model,
    { ...flags, out: flags.out ?? again },
    io,
  )
  io.stdout.write(repeatText(old, records, benchVersions(model)['ops'] ?? versions['ops']))
  refuseFailures(await readResults(file), specs, old)
}

/** The model that a file names, where its name says where it is. */
async function modelOf(path: string, { model }: RunIdentity): Promise<string> {
  if (model.name === 'reference' || model.name.includes('/')) return model.name
  if (model.fingerprint === (await modelFingerprint(modelFolder))) return 'reference'
  throw new UsageError(`${path} was made with the model ${model.name}.`, 'Say where it is now: --model PATH.')
}

async function prepareAgain(old: Results, flags: RunFlags, tools: BenchTools): Promise<PreparedBench> {
  const { identity } = old.header
  const { bench, task } = identity
  if (bench === 'needle' && 'parts' in task) return prepareNeedleParts(old, tools)
  const options = repeatOptions(identity, flags)
  const prepared = await prepareBench(bench, options, tools)
  if (bench !== 'needle' || flags.essays === undefined || sameTask(prepared.identity, identity))
    return prepared
  // The file holds the haystack's hash, not how its essays were ordered.
  const listed = await prepareBench(bench, { ...options, order: 'listed' }, tools)
  return sameTask(listed.identity, identity) ? listed : prepared
}

const sameTask = (a: RunIdentity, b: RunIdentity) => canonicalJson(a.task) === canonicalJson(b.task)
