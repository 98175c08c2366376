import { prepareRun, type Benchmark, type PreparedRun } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { Recipe } from '@qpkv/spec'
import type { Io } from '../io.ts'
import { modelIdentity } from '../output/bench-versions.ts'
import { requireProtocol, underRecipe } from './under-recipe.ts'
import { collectProblems, printProblems } from './problems.ts'

export interface OpenRun {
  readonly model: Model
  /** As the user named it. */
  readonly modelName: string
  /** The first bad row ends the run. */
  readonly strict: boolean
  readonly io: Io
  /** Where the spec came from one. */
  readonly recipe?: Recipe | undefined
}

/** Prepares a benchmark on a model; rows that were left out are told on stderr. */
export async function openRun(
  benchmark: Benchmark,
  options: unknown,
  { model, modelName, strict, io, recipe }: OpenRun,
): Promise<PreparedRun> {
  const { problems, onBadRow } = collectProblems(strict)
  const identity = await modelIdentity(model, modelName)
  const asked = recipe ? underRecipe(model, recipe) : model
  const run = await prepareRun(benchmark, options, { model: asked, modelName, identity, onBadRow })
  if (recipe) requireProtocol(recipe, run)
  printProblems(problems, io)
  return run
}
