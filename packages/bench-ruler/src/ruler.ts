import { defineBenchmark, promptOf as encode, type Benchmark, type BenchSample } from '@qpkv/bench-kit'
import { isPlainObject, type JsonObject } from '@qpkv/spec'
import { postProcess } from './metrics/score-task.ts'
import { matchSample } from './metrics/string-match.ts'
import { RUN_PROFILES, taskRule } from './run-profile.ts'
import { maxPromptTokens, promptOf } from './run/prompt-of.ts'
import { replyRule } from './run/reply-rule.ts'
import type { RulerInput } from './run/ruler-input.ts'
import { rulerOptions, type RulerValues } from './run/ruler-options.ts'
import { generate, readData } from './run/ruler-source.ts'
import { rulerTable } from './run/ruler-table.ts'
import type { RulerTask } from './tasks/task-definitions.ts'

/** What every result made with the own assets says. */
const ownAssetsNotice = 'made with stand-in texts, not with the assets of RULER: no benchmark score'

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
