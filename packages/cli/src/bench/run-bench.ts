import { join } from 'node:path'
import {
  Progress,
  readResults,
  resultFileName,
  ResultWriter,
  type NamedSpec,
  type PreparedRun,
  type SampleRange,
} from '@qpkv/bench-kit'
import type { Results } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { Io } from '../io.ts'
import { benchVersions } from '../output/bench-versions.ts'
import { exportResults, type ExportFlags } from '../output/export-results.ts'
import { refuseWrongSpecs } from './refuse-wrong-specs.ts'

export interface RunFlags extends ExportFlags {
  readonly out?: string
  readonly replace?: boolean
  readonly strict?: boolean
  readonly workers: number
  /** Only these samples; default: all. */
  readonly range?: SampleRange
}

export interface Measured {
  readonly results: Results
  /** Those of this run's samples and specs, earlier runs of it included. */
  readonly records: Awaited<ReturnType<PreparedRun['run']>>
}

/** Runs a prepared benchmark into its result file, goes on where an earlier run ended, and writes what the flags ask for. */
export async function measure(
  run: PreparedRun,
  specs: readonly NamedSpec[],
  model: Model,
  flags: RunFlags,
  io: Io,
  label = run.identity.bench,
): Promise<Measured> {
  const { identity, extent } = run
  refuseWrongSpecs(model, run, specs)
  const path = flags.out ?? join('results', resultFileName(identity))
  const mode = flags.replace === true ? 'replace' : 'resume'
  const writer = ResultWriter.open({ path, identity, extent, versions: benchVersions(model), mode })
  const before = writer.records.length
  let records: Measured['records']
  try {
    const progress = new Progress({
      total: flags.range ? flags.range.to - flags.range.from : run.sizes.length,
      label,
      stream: io.stderr,
    })
    records = await run.run({
      specs,
      writer,
      workers: flags.workers,
      signal: io.signal,
      progress,
      range: flags.range,
      onError: flags.strict === true ? 'stop' : 'continue',
    })
    progress.end()
  } catch (error) {
    if (writer.records.length > 0)
      io.stderr.write(`what is done is in ${path}; the same command goes on with it\n`)
    throw error
  } finally {
    writer.close()
  }
  if (before > 0) io.stderr.write(`${path} held ${before} records already; --replace measures them again\n`)
  io.stderr.write(`results: ${path}\n`)
  const results = await readResults(path)
  await exportResults(results, flags)
  return { results, records }
}
