import { canonicalJson, optionsOfRun, type Benchmark, type Results, type RunIdentity } from '@qpkv/bench-kit'
import { modelFingerprint } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { omitUndefined, type JsonObject } from '@qpkv/spec'
import type { Command } from 'commander'
import { addBenchFlags, givenOptions } from '../bench/bench-flags.ts'
import { findBenchmark } from '../bench/find-benchmark.ts'
import { refuseFailures } from '../bench/failures.ts'
import { openRun } from '../bench/open-run.ts'
import { measure, type RunFlags } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import { addRunOptions } from '../options/bench.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { benchVersions } from '../output/bench-versions.ts'
import { addExportOptions } from '../output/export-results.ts'
import { repeatText } from '../run/compare-repeat.ts'
import { readExperiments } from '../run/read-experiments.ts'
import { UsageError } from '../usage-error.ts'

type Flags = ModelFlags & RunFlags

/** `qpkv run RESULT`: the experiment of a result file once more, and whether it came out alike. */
export function addRun(program: Command, io: Io, benchmarks: readonly Benchmark[]): void {
  const command = program
    .command('run')
    .description('repeat the experiment of a result file (.jsonl, or the .json that --json wrote)')
    .argument('<RESULT>', 'the result file: of a bench, the demo or a sweep')
    .option('--out <FILE>', 'the new result file (default: RESULT-again.jsonl)')
    .option('--replace', 'begin the new result file again (default: go on with it)')
  addExportOptions(addRunOptions(addModelOptions(command)))
  const paths = { options: pathsOf(benchmarks) }
  addBenchFlags(command, paths).action(async (path: string, flags: Flags) => {
    const named = command.getOptionValueSource('model') !== 'default'
    await repeat(path, flags, { named, paths: givenOptions(command, paths), benchmarks, io })
  })
}

/** Where things lie now: a result file holds hashes of them, not paths. */
const pathsOf = (benchmarks: readonly Benchmark[]): Benchmark['options'] =>
  Object.fromEntries(
    benchmarks.flatMap(({ options }) => Object.entries(options).filter(([, { role }]) => role === 'path')),
  )

interface Repeat {
  /** The user named the model. */
  readonly named: boolean
  readonly paths: JsonObject
  readonly benchmarks: readonly Benchmark[]
  readonly io: Io
}

async function repeat(path: string, flags: Flags, { named, paths, benchmarks, io }: Repeat): Promise<void> {
  const parts = (await readExperiments(path)).flatMap((old) => {
    const benchmark = findBenchmark(benchmarks, old.header.identity.bench)
    return optionsOfRun(benchmark, old, paths).map(({ options, results }) => ({
      old: results,
      benchmark,
      options,
    }))
  })
  const [first] = parts
  if (!first) return
  const { identity } = first.old.header
  const modelName = named ? flags.model : await modelOf(path, identity)
  const { precision, weights } = identity.model as Pick<ModelFlags, 'precision' | 'weights'>
  const asMeasured = omitUndefined({ precision, weights })
  await using model = await openModel({ ...flags, model: modelName, ...asMeasured }, io)
  for (const [i, { old, benchmark, options }] of parts.entries()) {
    const run = await openRun(benchmark, options, { model, modelName, strict: flags.strict === true, io })
    noteDifferences(old, run.identity, io)
    const again = flags.out ?? path.replace(/(\.jsonl?)?$/, '-again.jsonl')
    const out = i === 0 ? again : again.replace(/(\.jsonl)?$/, `-${i + 1}.jsonl`)
    const specs = [...old.specs.values()]
    const { results, records } = await measure(run, specs, model, { ...flags, out }, io)
    io.stdout.write(run.table(records, specs))
    io.stdout.write(
      repeatText(old, results, records, benchVersions(model)['ops'] ?? old.header.versions['ops']),
    )
    refuseFailures(results, specs, old)
  }
}

function noteDifferences({ path, header }: Results, now: RunIdentity, io: Io): void {
  const { model, task } = header.identity
  if (now.model.fingerprint !== model.fingerprint)
    io.stderr.write(`note: the model differs from that of ${path} (${model.name})\n`)
  if ('options' in task && canonicalJson(now.task) !== canonicalJson(task))
    io.stderr.write(`note: the data or texts differ from those of ${path}\n`)
}

/** The model that a file names, where its name says where it is. */
async function modelOf(path: string, { model }: RunIdentity): Promise<string> {
  if (model.name === 'reference' || model.name.includes('/')) return model.name
  if (model.fingerprint === (await modelFingerprint(modelFolder))) return 'reference'
  throw new UsageError(`${path} was made with the model ${model.name}.`, 'Say where it is now: --model PATH.')
}
