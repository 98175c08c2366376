import { contentHash, defineBenchmark, type Benchmark } from '@qpkv/bench-kit'
import { isPlainObject, KvError, type Json, type JsonObject } from '@qpkv/spec'
import { datasets, englishDatasets, findDataset } from './data/datasets.ts'
import { configOf, type OfficialConfig } from './data/official-config.ts'
import { loadSegmenter } from './jieba/load-segmenter.ts'
import { scoreAnswer } from './metrics/score-answer.ts'
import { maxPromptTokens } from './prompt/make-prompt.ts'
import { profiles } from './prompt/profiles.ts'
import { cleanPrediction } from './prompt/stop-rule.ts'
import { aboutModel, askRow } from './run/ask-row.ts'
import { readData } from './run/longbench-data.ts'
import type { LongBenchInput } from './run/longbench-input.ts'
import { longBenchOptions } from './run/longbench-options.ts'
import type { LongBenchRun, LongBenchSample, LongBenchValues } from './run/longbench-options.ts'
import { longBenchTable } from './run/longbench-table.ts'
import { standInInputs } from './run/read-inputs.ts'
import { predictionFiles } from './run/write-predictions.ts'
import { standInConfig, standInNotice } from './standin/stand-ins.ts'

/** LongBench's datasets. Records are grouped by the facet `dataset`; the score is `score`, 0 to 1, by the dataset's metric. */
export const longBench: Benchmark = defineBenchmark({
  name: 'longbench',
  about: 'LongBench: questions, summaries, few-shot and code over long texts',
  options: longBenchOptions,
  async prepare(values, tools) {
    const { standIns, profile, data } = values
    if (standIns === (data !== undefined))
      throw new KvError('KV_INVALID_OPTION', 'Expected either a data path or stand-ins.', {
        hint: 'Give --data with the official data.zip (fetched with: qpkv pull longbench), or --stand-ins for a try without it.',
      })
    const all = profiles[profile].datasets === 'english' ? englishDatasets : datasets
    const asked = values.datasets ?? all.map(({ name }) => name)
    for (const name of asked) findDataset(name)
    const { seed = 1, size = 20 } = values
    const { inputs, config } = standIns
      ? { inputs: standInInputs(asked, { seed, size, rows: values.rows ?? 2 }), config: standInConfig }
      : await readData(values, data ?? '', asked, tools)
    // Stand-ins run on any model: where nobody says how long a prompt may be, it is the official rule.
    const limit =
      values.maxPromptTokens ?? (standIns ? Math.max(2, tools.model.config.contextTokens - 500) : undefined)
    maxPromptTokens(profiles[profile], aboutModel(tools.modelName, config, limit)) // throws before every row would
    const chinese = inputs.some(({ dataset }) => dataset.metric.endsWith('-zh'))
    const scoring = chinese ? { segment: await loadSegmenter(values.assets) } : {}
    return {
      samples: inputs.map((input) => sampleOf(input, values, config, limit)),
      state: { inputs, config, scoring, limit },
      options: standIns
        ? { datasets: asked, seed, size }
        : { datasets: asked, seed: undefined, size: undefined },
      data: { prompts: contentHash(JSON.parse(JSON.stringify(config)) as Json) },
      ...(standIns ? { notice: standInNotice } : {}),
    }
  },
  ask: ({ input }: LongBenchSample, run: LongBenchRun) => askRow(input, run),
  score: (reply, _question, { input: { row, dataset } }, { options, state }) => {
    const prediction = cleanPrediction(profiles[options.profile], reply)
    return { score: scoreAnswer(dataset, prediction, row.answers, row.allClasses, state.scoring) }
  },
  table: longBenchTable,
  predictions: {
    layouts: ['official', 'qpruningkv'],
    write: (to, records, specs, { state, modelName }) =>
      Promise.resolve(predictionFiles(to, records, specs, state.inputs, modelName)),
  },
  upgrade: ({ source, data: _data, prompts: _prompts, notice: _notice, ...rules }: JsonObject) => {
    const { files: _files, ...read } = isPlainObject(source) ? source : {}
    return [{ ...rules, ...read }]
  },
})

function sampleOf(
  input: LongBenchInput,
  { protocol, newTokens }: LongBenchValues,
  config: OfficialConfig,
  limit = Infinity,
): LongBenchSample {
  const { row, dataset, even, place } = input
  const name = `${dataset.name}${even ? '_e' : ''}`
  const { id, context, answers, allClasses, length } = row
  return {
    id: `${protocol}/${name}/${id}`,
    facets: { protocol, dataset: name, words: length },
    place,
    content: [id, row.input, context, [...answers], allClasses ?? null, length, even],
    // Four characters a token.
    size: {
      prompt: Math.round(Math.min(context.length / 4, limit)),
      answers: newTokens ?? configOf(config, dataset).maxNewTokens,
    },
    input,
  }
}
