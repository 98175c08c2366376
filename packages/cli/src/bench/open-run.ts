import { prepareRun, type Benchmark, type PreparedRun } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { Io } from '../io.ts'
import { modelIdentity } from '../output/bench-versions.ts'
import { collectProblems, sayProblems } from './problems.ts'

export interface OpenRun {
  readonly model: Model
  /** As the user named it. */
  readonly modelName: string
  /** The first bad row ends the run. */
  readonly strict: boolean
  readonly io: Io
}

/** Prepares a benchmark on a model; rows that were left out are told on stderr. */
export async function openRun(
  benchmark: Benchmark,
  options: unknown,
  { model, modelName, strict, io }: OpenRun,
): Promise<PreparedRun> {
  const { problems, meet } = collectProblems(strict)
  const identity = await modelIdentity(model, modelName)
  const run = await prepareRun(benchmark, options, { model, modelName, identity, meet })
  sayProblems(problems, io)
  return run
}
