import { join } from 'node:path'
import {
  Progress,
  readResults,
  resultFileName,
  ResultWriter,
  type NamedSpec,
  type SampleRecord,
} from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { Io } from '../io.ts'
import { benchVersions } from '../output/bench-versions.ts'
import { exportResults } from '../output/export-results.ts'
import { refuseFailures } from './failures.ts'
import { sayProblems } from './problems.ts'
import type { PreparedBench } from './prepared-bench.ts'

export interface RunFlags {
  readonly out?: string
  readonly resume?: boolean
  readonly json?: string
  readonly csv?: string
  readonly strict?: boolean
  readonly workers: number
}

/** Runs a prepared benchmark into its result file and writes what the flags ask for. Failed samples are told and exit with 1. */
export async function runBench(
  bench: PreparedBench,
  specs: readonly NamedSpec[],
  model: Model,
  flags: RunFlags,
  io: Io,
): Promise<readonly SampleRecord[]> {
  const { path, records } = await measure(bench, specs, model, flags, io)
  refuseFailures(await readResults(path), specs)
  return records
}

/** The same without a word about failures. */
export async function measure(
  bench: PreparedBench,
  specs: readonly NamedSpec[],
  model: Model,
  flags: RunFlags,
  io: Io,
): Promise<{ readonly path: string; readonly records: readonly SampleRecord[] }> {
  const { identity, samples, problems } = bench
  sayProblems(problems, io)
  const path = flags.out ?? join('results', resultFileName(identity))
  const mode = flags.resume === true ? 'resume' : 'replace'
  const writer = ResultWriter.open({ path, identity, versions: benchVersions(model), mode })
  let records: readonly SampleRecord[]
  try {
    const progress = new Progress({ total: samples, label: identity.bench, stream: io.stderr })
    records = await bench.run({
      specs,
      writer,
      workers: flags.workers,
      signal: io.signal,
      progress,
      onError: flags.strict === true ? 'stop' : 'continue',
    })
    progress.end()
  } catch (error) {
    if (writer.records.length > 0) io.stderr.write(`what is done is in ${path}; --resume goes on with it\n`)
    throw error
  } finally {
    writer.close()
  }
  io.stdout.write(bench.table(records, specs))
  const notice = identity.task['notice']
  if (typeof notice === 'string') io.stdout.write(`(${notice})\n`)
  io.stderr.write(`results: ${path}\n`)
  if (flags.json !== undefined || flags.csv !== undefined) await exportResults(await readResults(path), flags)
  return { path, records }
}
