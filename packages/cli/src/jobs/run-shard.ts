import { join } from 'node:path'
import { resultFileName, shardRange, type Shard } from '@qpkv/bench-kit'
import { measure } from '../bench/run-bench.ts'
import { labelOf, openJob, type JobOptions } from '../sweep/run-sweep.ts'
import type { RangedJob } from './read-jobs.ts'

/** Runs a shard of every job into files of its own, and goes on where an earlier run of it ended. Returns their paths. */
export async function runShard(
  jobs: readonly RangedJob[],
  options: JobOptions & { readonly shard: Shard },
): Promise<readonly string[]> {
  const { shard, folder, workers, strict, io } = options
  const paths: string[] = []
  for (const job of jobs) {
    const { model, run } = await openJob(job, options)
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
