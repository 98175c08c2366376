import type { SampleRecord } from '../result/record.ts'
import { ResultWriter } from '../result/result-writer.ts'
import type { NamedSpec } from '../run/run-samples.ts'
import type { Benchmark, BenchTools } from './benchmark.ts'
import { prepareRun, type RunOptions } from './prepare-run.ts'

export interface RunBenchmarkOptions
  extends Pick<BenchTools, 'model' | 'identity'>, Partial<Omit<RunOptions, 'writer'>> {
  /** As profiles with limits by model family look at it. Default: the identity's name. */
  readonly modelName?: string
  readonly specs: readonly NamedSpec[]
  /** Result file: begun, or gone on with. */
  readonly path: string
  /** Packages and op table, for the result file. */
  readonly versions?: Readonly<Record<string, string>>
  /** Told of each row that cannot be used; without it the first one is thrown. */
  readonly onBadRow?: (error: Error) => void
}

/** Runs a benchmark into its result file: what `qpkv bench` does, for programs. Errors are those of preparing, of the file and of the run. */
export async function runBenchmark(
  benchmark: Benchmark,
  options: unknown,
  {
    path,
    versions = {},
    identity,
    model,
    modelName = identity.name,
    onBadRow = raise,
    ...run
  }: RunBenchmarkOptions,
): Promise<{ readonly records: readonly SampleRecord[]; readonly table: string }> {
  const prepared = await prepareRun(benchmark, options, { model, modelName, identity, onBadRow })
  const writer = ResultWriter.open({ path, identity: prepared.identity, extent: prepared.extent, versions })
  try {
    const records = await prepared.run({ ...run, writer })
    return { records, table: prepared.table(records, run.specs) }
  } finally {
    writer.close()
  }
}

const raise = (error: Error): never => {
  throw error
}
