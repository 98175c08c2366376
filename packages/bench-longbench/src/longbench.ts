import {
  choice,
  contentHash,
  defineBenchmark,
  names,
  path,
  promptOf,
  protocol,
  samples,
  tokenizerOf,
  whole,
  yesNo,
  type Benchmark,
  type BenchModel,
  type BenchRun,
  type BenchSample,
  type BenchTools,
  type BenchValues,
  type PromptParts,
  type ReplyRule,
} from '@qpkv/bench-kit'
import { isPlainObject, KvError, type Json, type JsonObject } from '@qpkv/spec'
import { datasets, englishDatasets, findDataset } from './data/datasets.ts'
import { openJsonlSource } from './data/jsonl-source.ts'
import { configOf, loadOfficialConfig, type OfficialConfig } from './data/official-config.ts'
import { loadSegmenter } from './jieba/load-segmenter.ts'
import { scoreAnswer, type ScoringTools } from './metrics/score-answer.ts'
import { fillTemplate } from './prompt/fill-template.ts'
import { makePrompt, maxPromptTokens } from './prompt/make-prompt.ts'
import { profiles, type ProfileName } from './prompt/profiles.ts'
import { cleanPrediction, stopRule } from './prompt/stop-rule.ts'
import type { LongBenchInput } from './run/longbench-input.ts'
import { longBenchTable } from './run/longbench-table.ts'
import { readInputs, standInInputs } from './run/read-inputs.ts'
import { predictionFiles } from './run/write-predictions.ts'
import { standInConfig, standInNotice } from './standin/stand-ins.ts'

export const longBenchOptions = {
  data: path({ doc: 'The official data.zip, its folder, or one .jsonl file (qpkv pull longbench).' }),
  config: path({
    doc: 'Folder with dataset2prompt.json and its kin. Default: beside the data.',
    flag: { value: '<DIR>' },
  }),
  assets: path({
    doc: "Folder with jieba's tables, for Chinese datasets (qpkv pull lexica).",
    flag: { value: '<DIR>' },
  }),
  standIns: yesNo({
    default: false,
    doc: 'Rows of our own words instead: checks the pipeline, no benchmark score.',
  }),
  profile: choice(Object.keys(profiles) as ProfileName[], {
    default: 'official',
    doc: 'Whose way of running LongBench.',
  }),
  datasets: names({ doc: 'hotpotqa, hotpotqa_e, … Default: all of the profile.' }),
  rows: samples({ doc: 'First rows per dataset. Default: all; 2 of the stand-ins.' }),
  protocol: protocol(),
  seed: whole({ min: 0, doc: 'Of the stand-ins. Default 1.' }),
  size: whole({ min: 1, doc: 'Of the stand-ins: sentences of a text. Default 20.' }),
  maxPromptTokens: whole({ min: 2, doc: 'Cut the middle of longer prompts.' }),
  newTokens: whole({ min: 1, doc: "Tokens to generate. Default: the dataset's." }),
}

export type LongBenchValues = BenchValues<typeof longBenchOptions>

interface LongBenchState {
  readonly inputs: readonly LongBenchInput[]
  readonly config: OfficialConfig
  readonly scoring: ScoringTools
  readonly limit: number | undefined
}

interface LongBenchSample extends BenchSample {
  readonly input: LongBenchInput
}

type LongBenchRun = BenchRun<typeof longBenchOptions, LongBenchState>

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
  ask({ input }: LongBenchSample, run: LongBenchRun) {
    const { row, dataset } = input
    const { options, state, model } = run
    const { prompt, maxNewTokens } = configOf(state.config, dataset)
    return promptOf(model, partsOf(input, prompt, run), options.protocol, {
      expected: row.answers.length === 1 ? (row.answers[0] ?? '') : JSON.stringify(row.answers),
      rule: replyRule(dataset, options.newTokens ?? maxNewTokens, options.profile, model),
    })
  },
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

const aboutModel = (
  name: string,
  { maxPromptTokens: official }: OfficialConfig,
  limit: number | undefined,
) => ({
  name,
  official,
  ...(limit === undefined ? {} : { maxPromptTokens: limit }),
})

function partsOf(
  { row, dataset }: LongBenchInput,
  template: string,
  { model, modelName, options, state }: LongBenchRun,
): PromptParts {
  const filled = fillTemplate(template, row)
  const about = aboutModel(modelName, state.config, state.limit)
  const made = makePrompt(profiles[options.profile], dataset, filled.text, about, tokenizerOf(model))
  const question = filled.text.slice(filled.contextEnd, filled.text.length - made.answerPrefix.length)
  const at = filled.contextEnd === 0 ? -1 : made.text.lastIndexOf(question)
  return {
    content: made.text,
    contextEnd: at < 0 ? null : at,
    answerPrefix: made.answerPrefix,
    chat: made.modelTemplate,
    special: made.special,
  }
}

function replyRule(
  dataset: LongBenchInput['dataset'],
  newTokens: number,
  profile: ProfileName,
  model: BenchModel,
): ReplyRule {
  const tokenizer = tokenizerOf(model)
  const rule = stopRule(profiles[profile], dataset, newTokens, tokenizer)
  const named = [tokenizer.specialTokens['eos_token'] ?? '', ...rule.stopTokens]
  const ids = [
    ...(rule.stop === 'generation-config' ? model.generationDefaults.stopTokens : []),
    ...named.flatMap((name) => tokenizer.idOf(name) ?? []),
    ...rule.stopIds,
  ]
  return { maxTokens: rule.maxNewTokens, stopTokens: [...new Set(ids)], minTokens: rule.minNewTokens }
}

async function readData(
  { rows, config: folder }: LongBenchValues,
  data: string,
  asked: readonly string[],
  { meet }: BenchTools,
): Promise<{ inputs: LongBenchInput[]; config: OfficialConfig }> {
  const config = await loadOfficialConfig((folder ?? data.replace(/\/?data\.zip$/, '')) || '.')
  const source = await openJsonlSource(data)
  const problems: Error[] = []
  const onBad = (error: Error) => {
    problems.push(error)
    meet(error)
  }
  try {
    const inputs = await readInputs(source, {
      datasets: asked,
      onBad,
      ...(rows === undefined ? {} : { rows }),
    })
    if (inputs.length > 0) return { inputs, config }
  } finally {
    await source.close()
  }
  const [first] = problems
  throw new KvError(
    'KV_DATA',
    first ? `No row of LongBench is left: ${first.message}` : 'There is no row of LongBench.',
    {
      hint: 'Point --data to the official data.zip or its folder.',
    },
  )
}
