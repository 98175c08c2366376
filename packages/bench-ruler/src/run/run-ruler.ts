import {
  askModel,
  contentHash,
  runSamples,
  type ModelIdentity,
  type RunIdentity,
  type SampleRecord,
} from '@qpkv/bench-kit'
import type { JsonObject } from '@qpkv/spec'
import { RUN_PROFILES, taskRule } from '../run-profile.ts'
import { benchSamples } from './bench-samples.ts'
import type { RulerInput, RulerRules, RunRulerOptions } from './ruler-run.ts'

/** What every result made with the own assets says. */
export const ownAssetsNotice = 'made with stand-in texts, not with the assets of RULER: no benchmark score'

/**
 * What stands in a result file: how samples were asked, and where they come from (`source`: the options of the generator, or of
 * the reader; no paths). The samples themselves stand there by their hash, so that other data never go on in the same file.
 */
export const rulerIdentity = (
  inputs: readonly RulerInput[],
  rules: RulerRules,
  source: JsonObject,
  model: ModelIdentity,
): RunIdentity => ({
  bench: 'ruler',
  task: {
    ...(JSON.parse(JSON.stringify(rules)) as JsonObject),
    source,
    data: contentHash(
      inputs.map(({ length, sample }) => [
        length,
        sample.task,
        sample.row,
        sample.input,
        sample.answerPrefix,
        [...sample.outputs],
        sample.newTokens ?? null,
      ]),
    ),
    ...(source['assets'] === 'own' ? { notice: ownAssetsNotice } : {}),
  },
  model,
})

/** Runs samples under all specs, one prefill per sample. Records are grouped by the facets `task` and `length`. */
export function runRuler(options: RunRulerOptions): Promise<readonly SampleRecord[]> {
  const { model, modelName, inputs, rules, specs, writer, workers, signal, progress } = options
  return runSamples({
    samples: benchSamples(inputs, rules, modelName, model),
    specs,
    writer,
    ask: askModel(model),
    onError: options.onError ?? 'continue',
    workers,
    signal,
    progress,
  })
}

/** Tokens that a run generates at most, for estimates. */
export const newTokensOf = (inputs: readonly RulerInput[], rules: RulerRules): number =>
  inputs.reduce(
    (sum, { sample }) => sum + (rules.newTokens ?? taskRule(rules.profile, sample.task).newTokens),
    0,
  )

/** Tasks that a profile runs. */
export const profileTasks = (rules: Pick<RulerRules, 'profile'>) => RUN_PROFILES[rules.profile].tasks
