import {
  choice,
  defineBenchmark,
  names,
  path,
  promptOf as encode,
  protocol,
  samples,
  tokenizerOf,
  whole,
  wholes,
  yesNo,
  type Benchmark,
  type BenchModel,
  type BenchSample,
  type BenchTools,
  type BenchValues,
  type ReplyRule,
} from '@qpkv/bench-kit'
import { isPlainObject, KvError, type JsonObject } from '@qpkv/spec'
import { loadAssets } from './assets/load-assets.ts'
import { matchSample } from './metrics/string-match.ts'
import { postProcess, type ScoringProfile } from './metrics/score-task.ts'
import { loadOwnAssets } from './own-assets.ts'
import { RUN_PROFILES, taskRule } from './run-profile.ts'
import { generatedInputs } from './run/generated-inputs.ts'
import { maxPromptTokens, promptOf } from './run/prompt-of.ts'
import { readInputs } from './run/read-inputs.ts'
import { rulerTable } from './run/ruler-table.ts'
import type { RulerInput } from './run/ruler-input.ts'
import { RULER_TASKS, type RulerTask } from './tasks/task-definitions.ts'

/** What every result made with the own assets says. */
const ownAssetsNotice = 'made with stand-in texts, not with the assets of RULER: no benchmark score'

export const rulerOptions = {
  data: path({
    doc: 'Official files: LENGTH/TASK.jsonl, TASK/validation.jsonl or parquet. Without it samples are made.',
    flag: { value: '<DIR>' },
  }),
  assets: path({
    doc: 'Texts and words that samples are made of. Default: own stand-ins, no RULER score.',
    flag: { value: '<DIR>' },
  }),
  profile: choice(Object.keys(RUN_PROFILES) as ScoringProfile[], {
    default: 'official',
    doc: 'Whose way of running RULER; scores of different profiles are not comparable.',
  }),
  tasks: names({ known: RULER_TASKS, doc: 'Default: all of the profile.' }),
  lengths: wholes({
    min: 64,
    doc: 'Tokens of prompt and answer. Default 4096, or all that the data have.',
    flag: { name: '--length' },
  }),
  samples: samples({ default: 500, doc: 'Per task and length.' }),
  protocol: protocol(),
  seed: whole({ min: 0, default: 42, doc: 'Same seed, same samples.' }),
  maxPromptTokens: whole({ min: 2, doc: 'Cut the middle of longer prompts.' }),
  newTokens: whole({ min: 1, doc: "Tokens to generate. Default: the task's." }),
  chatTemplate: yesNo({
    doc: "Through the model's chat template, or as raw text. Default: as the profile does.",
    flag: { name: '--no-chat-template', sets: false },
  }),
}

export type RulerValues = BenchValues<typeof rulerOptions>

interface RulerSampleOf extends BenchSample {
  readonly input: RulerInput
}

/** RULER's 13 tasks at chosen lengths, from data files or generated. Records are grouped by the facets `task` and `length`. */
export const ruler: Benchmark = defineBenchmark({
  name: 'ruler',
  about: 'RULER: needles, chains, counts and questions at chosen lengths',
  options: rulerOptions,
  async prepare(values, tools) {
    maxPromptTokens(values, tools.modelName) // throws before every sample would
    const tasks = (values.tasks as readonly RulerTask[] | undefined) ?? RUN_PROFILES[values.profile].tasks
    const { inputs, assets } =
      values.data === undefined
        ? await generate(values, tasks, tools)
        : await readData(values, values.data, tasks, tools)
    return {
      samples: inputs.map((input) => sampleOf(input, values)),
      state: undefined,
      options: { tasks, lengths: values.lengths ?? (values.data === undefined ? [4096] : undefined) },
      data: assets === undefined ? {} : { assets },
      ...(assets === 'own' ? { notice: ownAssetsNotice } : {}),
    }
  },
  ask: ({ input: { sample } }: RulerSampleOf, { options, model, modelName }) =>
    encode(model, promptOf(sample, options, modelName, model), options.protocol, {
      expected: sample.outputs.join(' | '),
      rule: replyRule(sample, options, model),
    }),
  // The share of answers found, or whether any is.
  score: (reply, _question, { input: { sample } }, { options: { profile } }) => ({
    match: matchSample(taskRule(profile, sample.task).metric, postProcess(profile, reply), sample.outputs),
  }),
  table: (records, specs, { notice }) => rulerTable(records, specs, notice !== undefined),
  upgrade: ({ source, data: _data, notice: _notice, ...rules }: JsonObject) => {
    const { files: _files, scripts: _scripts, assets: _assets, ...read } = isPlainObject(source) ? source : {}
    return [{ ...rules, ...read }]
  },
})

function sampleOf(input: RulerInput, values: RulerValues): RulerSampleOf {
  const { length, sample } = input
  const { task, row, place, outputs, answerPrefix, newTokens = null } = sample
  return {
    id: `${values.protocol}/${length}/${task}/${row}`,
    facets: { protocol: values.protocol, task, length },
    place,
    content: [length, task, row, sample.input, answerPrefix, [...outputs], newTokens],
    size: {
      prompt: sample.length ?? length,
      answers: values.newTokens ?? taskRule(values.profile, task).newTokens,
    },
    input,
  }
}

/** Greedy, no stop texts; tokens to generate as the profile, the file or the user says, in this order from last to first. */
function replyRule(sample: RulerInput['sample'], values: RulerValues, model: BenchModel): ReplyRule {
  const profile = RUN_PROFILES[values.profile]
  const tokenizer = tokenizerOf(model)
  const named = [
    ...(profile.stop === 'eos' ? [tokenizer.specialTokens['eos_token'] ?? ''] : []),
    ...profile.stopTokens,
  ].flatMap((token) => tokenizer.idOf(token) ?? [])
  const own = profile.stop === 'model' ? model.generationDefaults.stopTokens : []
  const raw = values.profile === 'qpruningkv' || values.profile === 'kvcache-factory'
  const ofProfile = taskRule(values.profile, sample.task).newTokens
  return {
    maxTokens: values.newTokens ?? (raw ? ofProfile : (sample.newTokens ?? ofProfile)),
    stopTokens: [...new Set([...own, ...named])],
    minTokens: profile.minNewTokens,
  }
}

interface Source {
  readonly inputs: readonly RulerInput[]
  /** Name of the assets that samples were made of. */
  readonly assets?: string
}

async function readData(
  values: RulerValues,
  folder: string,
  tasks: readonly RulerTask[],
  { meet }: BenchTools,
): Promise<Source> {
  const { lengths, samples } = values
  const inputs = await readInputs(folder, {
    tasks,
    samples,
    onBadRow: meet,
    ...(lengths === undefined ? {} : { lengths }),
  })
  for (const task of values.tasks === undefined ? [] : tasks) {
    if (inputs.some(({ sample }) => sample.task === task)) continue
    meet(
      new KvError('KV_DATA', `${folder} has no sample of ${task}.`, {
        hint: 'Check --tasks, or add its file.',
      }),
    )
  }
  return { inputs }
}

async function generate(
  values: RulerValues,
  tasks: readonly RulerTask[],
  { model, meet }: BenchTools,
): Promise<Source> {
  const { samples, seed, newTokens, lengths = [4096] } = values
  const assets = values.assets === undefined ? await loadOwnAssets() : await loadAssets(values.assets)
  const { scripts, chatTemplate } = RUN_PROFILES[values.profile]
  const countTokens = (text: string) => tokenizerOf(model).encode(text, { special: false }).length
  const chat = (values.chatTemplate ?? chatTemplate === 'model') && scripts === 'current'
  const empty = chat ? ((await model.chatTemplate?.render([{ role: 'user', content: '' }])) ?? '') : undefined
  const shared = {
    samples,
    seed,
    scripts,
    assets,
    tokenizer: { countTokens },
    ...(empty === undefined ? {} : { templateTokens: countTokens(empty) }),
    ...(newTokens === undefined ? {} : { newTokens }),
  }
  const inputs: RulerInput[] = []
  for (const length of lengths) {
    for (const task of tasks) {
      try {
        inputs.push(...generatedInputs({ ...shared, tasks: [task], lengths: [length] }))
      } catch (error) {
        if (!KvError.isInstance(error)) throw error
        const hint = error.hint === undefined ? {} : { hint: error.hint }
        meet(
          new KvError(error.code, `${task} at length ${length}: ${error.message}`, { ...hint, cause: error }),
        )
      }
    }
  }
  if (inputs.length > 0) return { inputs, assets: assets.name }
  throw new KvError('KV_DATA', 'No sample of these tasks could be made at these lengths.', {
    hint: 'Ask for a greater --length; most tasks need 1024 tokens or more.',
  })
}
