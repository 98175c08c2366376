import {
  generatedInputs,
  isRulerTask,
  loadAssets,
  loadOwnAssets,
  maxPromptTokens,
  newTokensOf,
  profileTasks,
  readInputs,
  RULER_TASKS,
  RUN_PROFILES,
  rulerIdentity,
  runRuler,
  type RulerInput,
  type RulerRules,
  type RulerTask,
  type ScoringProfile,
} from '@qpkv/bench-ruler'
import { KvError, type JsonObject } from '@qpkv/spec'
import { modelIdentity } from '../output/bench-versions.ts'
import { given, OptionReader } from './option-reader.ts'
import { collectProblems } from './problems.ts'
import { rulerTable } from './ruler-table.ts'
import type { BenchTools, PreparedBench, PrepareBench } from './prepared-bench.ts'
import { PROTOCOLS } from './protocols.ts'

interface RulerOptions {
  readonly rules: RulerRules
  readonly tasks: readonly RulerTask[]
  /** the user named the tasks: one that is missing is a problem, not just absent */
  readonly named: boolean
  readonly lengths: number[] | undefined
  readonly samples: number
  readonly seed: number
  /** Data folder, or nothing: samples are generated. */
  readonly data: string | undefined
  /** Assets folder, or nothing: the own ones. */
  readonly assets: string | undefined
}

function readOptions(options: JsonObject): RulerOptions {
  const reader = new OptionReader(options, 'ruler')
  const profile = reader.choice('profile', Object.keys(RUN_PROFILES) as ScoringProfile[], 'official')
  const rules = given({
    profile,
    protocol: reader.choice('protocol', PROTOCOLS, 'query-aware'),
    maxPromptTokens: reader.whole('maxPromptTokens'),
    chatTemplate: reader.flag('chatTemplate'),
    newTokens: reader.whole('newTokens'),
  }) as unknown as RulerRules
  const names = reader.texts('tasks')
  const read: RulerOptions = {
    rules,
    tasks: tasksOf(names, profile),
    named: names !== undefined,
    lengths: reader.wholes('lengths'),
    samples: reader.whole('samples') ?? 500,
    seed: reader.whole('seed', 0) ?? 42,
    data: reader.text('data'),
    assets: reader.text('assets'),
  }
  reader.done()
  return read
}

function tasksOf(names: readonly string[] | undefined, profile: ScoringProfile): readonly RulerTask[] {
  const unknown = names?.find((name) => !isRulerTask(name))
  if (unknown !== undefined) {
    throw new KvError('KV_INVALID_OPTION', `RULER has no task named "${unknown}".`, {
      hint: `Known: ${RULER_TASKS.join(', ')}.`,
    })
  }
  return names === undefined ? profileTasks({ profile }) : names.filter((name) => isRulerTask(name))
}

/** Samples from data files, or generated; the length 4096 unless given. */
export const prepareRuler: PrepareBench = async (json, tools) => {
  const options = readOptions(json)
  maxPromptTokens(options.rules, tools.modelName) // throws before every sample would
  const { problems, meet } = collectProblems(tools.strict)
  const { inputs, source } =
    options.data === undefined
      ? await generate(options, tools, meet)
      : await readData(options, options.data, meet)
  const { rules } = options
  const identity = rulerIdentity(inputs, rules, source, await modelIdentity(tools.model, tools.modelName))
  return {
    identity,
    samples: inputs.length,
    cost: {
      promptTokens: inputs.reduce((sum, { sample, length }) => sum + (sample.length ?? length), 0),
      newTokens: newTokensOf(inputs, rules),
    },
    problems,
    run: (run) => runRuler({ ...run, model: tools.model, modelName: tools.modelName, inputs, rules }),
    table: (records, specs) => rulerTable(records, specs, identity.task['notice'] !== undefined),
  } satisfies PreparedBench
}

async function readData(options: RulerOptions, folder: string, meet: (error: Error) => void) {
  const { tasks, lengths, samples, named } = options
  const inputs = await readInputs(folder, {
    tasks,
    samples,
    onBadRow: meet,
    ...(lengths === undefined ? {} : { lengths }),
  })
  for (const task of named ? tasks : []) {
    if (inputs.some(({ sample }) => sample.task === task)) continue
    meet(
      new KvError('KV_DATA', `${folder} has no sample of ${task}.`, {
        hint: 'Check --tasks, or add its file.',
      }),
    )
  }
  return { inputs, source: given({ files: true, tasks, lengths, samples }) }
}

async function generate(options: RulerOptions, { model }: BenchTools, meet: (error: Error) => void) {
  const { tasks, samples, seed, rules, lengths = [4096] } = options
  const assets = options.assets === undefined ? await loadOwnAssets() : await loadAssets(options.assets)
  const count = (text: string) => model.tokenizer?.encode(text, { special: false }).length ?? 0
  const profile = RUN_PROFILES[rules.profile]
  const chat = rules.chatTemplate ?? profile.chatTemplate === 'model'
  const scripts = profile.scripts
  const templateTokens =
    chat && scripts === 'current'
      ? count((await model.chatTemplate?.render([{ role: 'user', content: '' }])) ?? '')
      : undefined
  const inputs: RulerInput[] = []
  for (const length of lengths) {
    for (const task of tasks) {
      const shared = { tasks: [task], lengths: [length], samples, seed, scripts, assets }
      try {
        inputs.push(
          ...generatedInputs({
            ...shared,
            tokenizer: { countTokens: count },
            ...(templateTokens === undefined ? {} : { templateTokens }),
            ...(rules.newTokens === undefined ? {} : { newTokens: rules.newTokens }),
          }),
        )
      } catch (error) {
        if (!KvError.isInstance(error)) throw error
        const hint = error.hint === undefined ? {} : { hint: error.hint }
        meet(
          new KvError(error.code, `${task} at length ${length}: ${error.message}`, { ...hint, cause: error }),
        )
      }
    }
  }
  if (inputs.length === 0) {
    throw new KvError('KV_DATA', 'No sample of these tasks could be made at these lengths.', {
      hint: 'Ask for a greater --length; most tasks need 1024 tokens or more.',
    })
  }
  return { inputs, source: given({ assets: assets.name, scripts, tasks, lengths, samples, seed }) }
}
