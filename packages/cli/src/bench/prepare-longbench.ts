import { basename, join } from 'node:path'
import { specIdOf } from '@qpkv/bench-kit'
import {
  configOf,
  datasets,
  englishDatasets,
  findDataset,
  loadOfficialConfig,
  loadSegmenter,
  longBenchIdentity,
  maxPromptTokens,
  openJsonlSource,
  profiles,
  readInputs,
  runLongBench,
  standInConfig,
  standInInputs,
  writePredictions,
  type LongBenchInput,
  type LongBenchRules,
  type OfficialConfig,
  type ProfileName,
  type ScoringTools,
} from '@qpkv/bench-longbench'
import { KvError, type JsonObject } from '@qpkv/spec'
import { modelIdentity } from '../output/bench-versions.ts'
import { fileName } from '../output/file-name.ts'
import { longBenchTable } from './longbench-table.ts'
import { given, OptionReader } from './option-reader.ts'
import { collectProblems, refuseEmpty } from './problems.ts'
import type { BenchTools, PreparedBench, PrepareBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

interface LongBenchOptions {
  readonly rules: LongBenchRules
  readonly datasets: readonly string[]
  readonly rows: number | undefined
  /** data.zip, a folder or one file; nothing with stand-ins. */
  readonly data: string | undefined
  /** Folder of the official config; default: beside the data. */
  readonly config: string | undefined
  /** Folder with jieba's tables, for Chinese datasets. */
  readonly assets: string | undefined
  readonly standIns: boolean
  readonly seed: number
  readonly size: number
}

function readOptions(options: JsonObject): LongBenchOptions {
  const reader = new OptionReader(options, 'longbench')
  const profile = reader.choice('profile', Object.keys(profiles) as ProfileName[], 'official')
  const rules = given({
    profile,
    protocol: reader.choice('protocol', PROTOCOLS, 'query-aware'),
    maxPromptTokens: reader.whole('maxPromptTokens'),
    newTokens: reader.whole('newTokens'),
  }) as unknown as LongBenchRules
  const all = profiles[profile].datasets === 'english' ? englishDatasets : datasets
  const names = reader.texts('datasets')
  for (const name of names ?? []) findDataset(name)
  const read: LongBenchOptions = {
    rules,
    datasets: names ?? all.map(({ name }) => name),
    rows: reader.whole('rows'),
    data: reader.text('data'),
    config: reader.text('config'),
    assets: reader.text('assets'),
    standIns: reader.flag('standIns') ?? false,
    seed: reader.whole('seed', 0) ?? 1,
    size: reader.whole('size') ?? 20,
  }
  reader.done()
  if (read.standIns === (read.data !== undefined)) {
    throw new KvError('KV_INVALID_OPTION', 'Expected either a data path or stand-ins.', {
      hint: 'Give --data with the official data.zip (fetched with: qpkv pull longbench), or --stand-ins for a try without it.',
    })
  }
  return read
}

export const prepareLongBench: PrepareBench = async (json, tools) => {
  const options = readOptions(json)
  const { problems, meet } = collectProblems(tools.strict)
  const { inputs, config, source } = options.standIns ? standIns(options) : await readData(options, meet)
  refuseEmpty(
    inputs.length,
    'row of LongBench',
    problems,
    'Point --data to the official data.zip or its folder.',
  )
  const scoring = await toolsOf(inputs, options.assets)
  const rules = options.standIns ? standInRules(options.rules, tools) : options.rules
  const { maxPromptTokens: limit } = rules
  const about = { name: tools.modelName, official: config.maxPromptTokens }
  // Throws before every row would.
  maxPromptTokens(profiles[rules.profile], limit === undefined ? about : { ...about, maxPromptTokens: limit })
  const shared = { model: tools.model, modelName: tools.modelName, inputs, config, rules, tools: scoring }
  return {
    identity: longBenchIdentity(
      inputs,
      config,
      rules,
      source,
      await modelIdentity(tools.model, tools.modelName),
    ),
    samples: inputs.length,
    cost: {
      // Four characters a token; near enough to tell minutes from days.
      promptTokens: inputs.reduce((sum, { row }) => sum + promptTokens(row.context.length / 4, rules), 0),
      newTokens: inputs.reduce(
        (sum, { dataset }) => sum + (rules.newTokens ?? configOf(config, dataset).maxNewTokens),
        0,
      ),
    },
    problems,
    run: (run) => runLongBench({ ...run, ...shared }),
    table: longBenchTable,
    writePredictions: (folder, layout, records, specs) =>
      specs.flatMap(({ spec, label }) => {
        const id = specIdOf(spec)
        const mine = records.filter((record) => record.spec === id)
        // The official layout has no place for a method: with several rows each has a folder of its own.
        const below = layout === 'official' && specs.length > 1 ? join(folder, fileName(label)) : folder
        const model = basename(tools.modelName)
        return writePredictions(below, mine, inputs, { layout, model, method: fileName(label) })
      }),
  } satisfies PreparedBench
}

const promptTokens = (tokens: number, { maxPromptTokens = Infinity }: LongBenchRules) =>
  Math.round(Math.min(tokens, maxPromptTokens))

/** Stand-ins run on any model: where nobody says how long a prompt may be, it is the official rule. */
const standInRules = (rules: LongBenchRules, { model }: BenchTools): LongBenchRules => ({
  ...rules,
  maxPromptTokens: rules.maxPromptTokens ?? Math.max(2, model.config.contextTokens - 500),
})

function standIns({ datasets: names, seed, size, rows = 2 }: LongBenchOptions) {
  return {
    inputs: standInInputs(names, { seed, rows, size }),
    config: standInConfig,
    source: given({ standIns: true, datasets: names, seed, size, rows }),
  }
}

async function readData(
  options: LongBenchOptions,
  meet: (error: Error) => void,
): Promise<{ inputs: LongBenchInput[]; config: OfficialConfig; source: JsonObject }> {
  const { data = '', rows, datasets: names } = options
  const config = await loadOfficialConfig((options.config ?? data.replace(/\/?data\.zip$/, '')) || '.')
  const source = await openJsonlSource(data)
  try {
    const inputs = await readInputs(source, {
      datasets: names,
      onBad: meet,
      ...(rows === undefined ? {} : { rows }),
    })
    return { inputs, config, source: given({ files: true, datasets: names, rows }) }
  } finally {
    await source.close()
  }
}

/** The Chinese segmenter, where any dataset needs it. */
async function toolsOf(inputs: readonly LongBenchInput[], assets: string | undefined): Promise<ScoringTools> {
  const chinese = inputs.some(({ dataset }) => dataset.metric.endsWith('-zh'))
  return chinese ? { segment: await loadSegmenter(assets) } : {}
}
