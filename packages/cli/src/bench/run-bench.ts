import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  flatRows,
  Progress,
  readResults,
  resultFileName,
  ResultWriter,
  toCsv,
  toJsonDocument,
  type NamedSpec,
  type SampleRecord,
} from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import type { Model } from '@qpkv/core'
import type { Io } from '../io.ts'
import { benchVersions } from '../output/bench-versions.ts'
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
  const { identity, samples, problems } = bench
  for (const problem of problems) io.stderr.write(`left out: ${problem}\n`)
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
  } finally {
    writer.close()
  }
  io.stdout.write(bench.table(records, specs))
  const notice = identity.task['notice']
  if (typeof notice === 'string') io.stdout.write(`(${notice})\n`)
  io.stderr.write(`results: ${path}\n`)
  await exportResults(path, flags)
  refuseFailures(path, samples * specs.length - records.length, await readResults(path))
  return records
}

/** Writes a result file as one JSON document or as CSV. */
async function exportResults(path: string, { json, csv }: Pick<RunFlags, 'json' | 'csv'>): Promise<void> {
  if (json === undefined && csv === undefined) return
  const results = await readResults(path)
  const put = async (file: string, text: string) => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  if (json !== undefined) await put(json, `${JSON.stringify(toJsonDocument(results), undefined, 2)}\n`)
  if (csv !== undefined) await put(csv, toCsv(flatRows(results)))
}

function refuseFailures(
  path: string,
  missing: number,
  { failures }: Awaited<ReturnType<typeof readResults>>,
) {
  const last = failures.at(-1)
  if (missing === 0 || !last) return
  throw new KvError('KV_DATA', `${missing} results are missing: ${last.code} ${last.message}`, {
    hint: `Every failure stands in ${path}; --resume tries them again.`,
  })
}
