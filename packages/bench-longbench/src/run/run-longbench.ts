import {
  askModel,
  contentHash,
  runSamples,
  type ModelIdentity,
  type RunIdentity,
  type SampleRecord,
} from '@qpkv/bench-kit'
import type { JsonObject } from '@qpkv/spec'
import type { OfficialConfig } from '../data/official-config.ts'
import { isStandIn, standInNotice } from '../standin/stand-ins.ts'
import { benchSamples } from './bench-samples.ts'
import type { LongBenchInput, LongBenchRules, RunLongBenchOptions } from './longbench-run.ts'

/**
 * What stands in a result file: how rows were asked and which (`source`: the options of the reader; no paths). Rows and prompts stand
 * there by their hash, so that other data never go on in the same file.
 */
export const longBenchIdentity = (
  inputs: readonly LongBenchInput[],
  config: OfficialConfig,
  rules: LongBenchRules,
  source: JsonObject,
  model: ModelIdentity,
): RunIdentity => ({
  bench: 'longbench',
  task: {
    ...(JSON.parse(JSON.stringify(rules)) as JsonObject),
    source,
    data: contentHash(
      inputs.map(({ row: { id, input, context, answers, allClasses, length }, even }) => [
        id,
        input,
        context,
        answers,
        allClasses ?? null,
        length,
        even,
      ]),
    ),
    prompts: contentHash(JSON.parse(JSON.stringify(config)) as JsonObject),
    ...(inputs.some(({ row }) => isStandIn(row)) ? { notice: standInNotice } : {}),
  },
  model,
})

/** Runs rows under all specs, one prefill per row. Records are grouped by the facet `dataset`. */
export function runLongBench(options: RunLongBenchOptions): Promise<readonly SampleRecord[]> {
  const { model, inputs, specs, writer, workers, signal, progress } = options
  return runSamples({
    samples: benchSamples(inputs, options),
    specs,
    writer,
    ask: askModel(model),
    onError: options.onError ?? 'continue',
    workers,
    signal,
    progress,
  })
}
