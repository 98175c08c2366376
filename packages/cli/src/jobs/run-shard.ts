import { join } from 'node:path'
import { resultFileName, shardRange, type Benchmark, type Shard } from '@qpkv/bench-kit'
import { findBenchmark } from '../bench/find-benchmark.ts'
import { openRun } from '../bench/open-run.ts'
import { measure } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import type { ModelPool } from '../sweep/model-pool.ts'
import { labelOf } from '../sweep/run-sweep.ts'
import type { RangedJob } from './read-jobs.ts'

export interface ShardOptions {
  readonly shard: Shard
  readonly benchmarks: readonly Benchmark[]
  readonly pool: ModelPool
  /** Where result files go; one per job and shard. */
  readonly folder: string
  /** Samples at once. */
  readonly workers: number
  readonly strict: boolean
  readonly io: Io
}

/** Runs a shard of every job into files of its own, and goes on where an earlier run of it ended. Returns their paths. */
export async function runShard(
  jobs: readonly RangedJob[],
  options: ShardOptions,
): Promise<readonly string[]> {
  const { shard, benchmarks, pool, folder, workers, strict, io } = options
  const paths: string[] = []
  for (const job of jobs) {
    const model = await pool.get(job.model)
    const benchmark = findBenchmark(benchmarks, job.task.bench)
    const run = await openRun(benchmark, job.task.options, { model, modelName: job.model, strict, io })
    const range = shardRange(job.samples ?? { from: 0, to: run.ids.length }, shard)
    if (range.from === range.to) continue
    const path = join(folder, shardFileName(resultFileName(run.identity), shard))
    const label = `${labelOf(job)}, part ${shard.index + 1} of ${shard.count}`
    await measure(run, job.specs, model, { out: path, workers, strict, range }, io, label)
    paths.push(path)
  }
  return paths
}

/** `needle-….part-2-of-8.jsonl` */
const shardFileName = (name: string, { index, count }: Shard): string =>
  count === 1 ? name : name.replace(/\.jsonl$/, `.part-${index + 1}-of-${count}.jsonl`)
