import { existsSync } from 'node:fs'
import { readResults } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import type { Io } from '../io.ts'
import type { ModelFlags } from '../options/model.ts'
import { benchVersions } from '../output/bench-versions.ts'
import type { ModelPool } from '../sweep/model-pool.ts'
import type { ReadyJob } from '../sweep/run-sweep.ts'
import { UsageError } from '../usage-error.ts'
import { mergeResults, resultFiles } from './merge-results.ts'
import { runQueued } from './run-queued.ts'
import { partsOf, runSlurmArray } from './slurm.ts'

/** Arrays that are submitted before what is missing is given up: tasks die with their nodes. */
const ROUNDS = 3

export interface ElsewhereFlags extends Omit<ModelFlags, 'model'> {
  readonly executor: 'local' | 'slurm' | 'bullmq'
  readonly workers: number
  readonly shards: number
  readonly sbatch?: readonly string[]
  readonly redis?: string
  readonly queue: string
  readonly chunk: number
}

/** Runs what is missing of jobs on other machines, into the same result files as here. */
export async function runElsewhere(
  ready: readonly ReadyJob[],
  folder: string,
  flags: ElsewhereFlags,
  pool: ModelPool,
  io: Io,
): Promise<void> {
  if (flags.executor === 'slurm') return runOnSlurm(ready, folder, flags, io)
  if (flags.redis === undefined)
    throw new UsageError('Which Redis server?', 'Add --redis redis://127.0.0.1:6379.')
  const { redis, queue, chunk, precision, weights } = flags
  const load = { ...(precision && { precision }), ...(weights && { weights }) }
  const versions = async ({ job }: ReadyJob) => benchVersions(await pool.get(job.model))
  return runQueued(ready, { redis, queue, chunk, load, versions, io })
}

async function runOnSlurm(
  ready: readonly ReadyJob[],
  folder: string,
  flags: ElsewhereFlags,
  io: Io,
): Promise<void> {
  const { shards, sbatch = [] } = flags
  const expected = ready.reduce((sum, { job, run }) => sum + job.specs.length * run.ids.length, 0)
  for (let round = 0; round < ROUNDS; round++) {
    const parts = partsOf(folder)
    if (existsSync(parts)) await mergeResults(await resultFiles([parts]), folder)
    const missing = await missingSamples(ready)
    if (missing === 0) return
    if (round > 0) io.stderr.write(`${missing} samples are missing; trying again\n`)
    await runSlurmArray({ folder, shards, sbatch, expected, io, flags: jobFlags(flags) })
  }
  await mergeResults(await resultFiles([partsOf(folder)]), folder)
  const missing = await missingSamples(ready)
  if (missing > 0)
    throw new KvError('KV_DATA', `${missing} samples are missing after ${ROUNDS} arrays.`, {
      hint: `The tasks' logs are in ${partsOf(folder)}. What is done is saved; run the same command again to go on.`,
    })
}

/** Samples that have neither a record nor a failure under some spec. */
async function missingSamples(ready: readonly ReadyJob[]): Promise<number> {
  let missing = 0
  for (const { job, run, path } of ready) {
    const seen = new Map<string, Set<string>>()
    const see = (sample: string, spec: string) => seen.set(sample, (seen.get(sample) ?? new Set()).add(spec))
    if (existsSync(path)) {
      const { records, failures } = await readResults(path)
      for (const { sample, spec } of records) see(sample, spec)
      for (const { sample, specs } of failures) for (const spec of specs) see(sample, spec)
    }
    missing += run.ids.filter((id) => (seen.get(id)?.size ?? 0) < job.specs.length).length
  }
  return missing
}

/** What `qpkv job` takes of the sweep's flags. */
function jobFlags({
  device,
  threads,
  table,
  precision,
  weights,
  use = [],
  workers,
}: ElsewhereFlags): string[] {
  const given = { device, threads, table, precision, weights, workers }
  return [
    ...Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    ),
    ...(use.length > 0 ? ['--use', ...use] : []),
  ]
}
