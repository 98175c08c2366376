import type { Benchmark, Shard } from '@qpkv/bench-kit'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { readJobs } from '../jobs/read-jobs.ts'
import { runShard } from '../jobs/run-shard.ts'
import { parseShard, shardOf } from '../jobs/shard.ts'
import { addRunOptions } from '../options/bench.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { ModelPool } from '../sweep/model-pool.ts'

interface Flags extends ModelFlags {
  readonly out: string
  readonly shard?: Shard
  readonly shards?: number
  readonly workers: number
  readonly strict?: boolean
}

/** `qpkv job FILE`: jobs of a sweep, or this machine's part of them. */
export function addJob(program: Command, io: Io, benchmarks: readonly Benchmark[]): void {
  const command = program
    .command('job')
    .description('run jobs of a sweep, or one of several parts; qpkv merge joins what came of them')
    .argument('<FILE>', 'a job, or the jobs.json that qpkv sweep --dry-run writes')
    .option('--out <DIR>', 'where result files go, one per job and part', 'parts')
    .option('--shard <i/n>', 'only the i-th of n parts of the samples', parseShard)
    .option(
      '--shards <N>',
      'of so many parts that of SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, which count from 0 (default: what a Slurm array says)',
      wholeNumber(1),
    )
  addModelOptions(addRunOptions(command)).action(async (file: string, flags: Flags) => {
    const jobs = await readJobs(file)
    const shard = flags.shard ?? shardOf(process.env, flags.shards)
    await using pool = new ModelPool((model) => openModel({ ...flags, model }, io))
    const { out: folder, workers, strict = false } = flags
    const paths = await runShard(jobs, { shard, benchmarks, pool, folder, workers, strict, io })
    io.stdout.write(paths.map((path) => `${path}\n`).join(''))
  })
}
