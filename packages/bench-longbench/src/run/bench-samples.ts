import {
  encodePrompt,
  tokenizerOf,
  type BenchSample,
  type PromptParts,
  type ReplyRule,
} from '@qpkv/bench-kit'
import { configOf } from '../data/official-config.ts'
import { scoreAnswer } from '../metrics/score-answer.ts'
import { fillTemplate } from '../prompt/fill-template.ts'
import { makePrompt } from '../prompt/make-prompt.ts'
import { profiles } from '../prompt/profiles.ts'
import { cleanPrediction, stopRule } from '../prompt/stop-rule.ts'
import type { LongBenchInput, RunLongBenchOptions } from './longbench-run.ts'

type Options = Pick<RunLongBenchOptions, 'model' | 'modelName' | 'config' | 'rules' | 'tools'>

/** Rows as the runner asks them. The score is `score`, 0 to 1, by the metric of the row's dataset. */
export function benchSamples(inputs: readonly LongBenchInput[], options: Options): BenchSample[] {
  const { rules, tools = {} } = options
  const profile = profiles[rules.profile]
  return inputs.map(({ row, dataset, even, place }) => ({
    id: `${rules.protocol}/${dataset.name}${even ? '_e' : ''}/${row.id}`,
    facets: { protocol: rules.protocol, dataset: `${dataset.name}${even ? '_e' : ''}`, words: row.length },
    place,
    render: async () => {
      const { prompt, maxNewTokens } = configOf(options.config, dataset)
      const parts = promptOf(row, dataset, prompt, options)
      return {
        ...(await encodePrompt(options.model, parts, rules.protocol)),
        expected: row.answers.length === 1 ? (row.answers[0] ?? '') : JSON.stringify(row.answers),
        rule: replyRule(dataset, rules.newTokens ?? maxNewTokens, options),
        score: (reply: string) => ({
          score: scoreAnswer(dataset, cleanPrediction(profile, reply), row.answers, row.allClasses, tools),
        }),
      }
    },
  }))
}

function promptOf(
  row: LongBenchInput['row'],
  dataset: LongBenchInput['dataset'],
  template: string,
  { model, modelName, config, rules }: Options,
): PromptParts {
  const filled = fillTemplate(template, row)
  const { maxPromptTokens } = rules
  const about = {
    name: modelName,
    official: config.maxPromptTokens,
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
  }
  const made = makePrompt(profiles[rules.profile], dataset, filled.text, about, tokenizerOf(model))
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
  { model, rules }: Options,
): ReplyRule {
  const tokenizer = tokenizerOf(model)
  const rule = stopRule(profiles[rules.profile], dataset, newTokens, tokenizer)
  const names = [tokenizer.specialTokens['eos_token'] ?? '', ...rule.stopTokens]
  const ids = [
    ...(rule.stop === 'generation-config' ? model.generationDefaults.stopTokens : []),
    ...names.flatMap((name) => tokenizer.idOf(name) ?? []),
    ...rule.stopIds,
  ]
  return {
    maxTokens: rule.maxNewTokens,
    stopTokens: [...new Set(ids)],
    minTokens: rule.minNewTokens,
  }
}
