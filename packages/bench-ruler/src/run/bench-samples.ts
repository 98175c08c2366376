import { encodePrompt, tokenizerOf, type BenchModel, type BenchSample, type ReplyRule } from '@qpkv/bench-kit'
import { postProcess } from '../metrics/score-task.ts'
import { matchSample } from '../metrics/string-match.ts'
import type { RulerSample } from '../readers/ruler-sample.ts'
import { RUN_PROFILES, taskRule } from '../run-profile.ts'
import { promptOf } from './prompt-of.ts'
import type { RulerInput, RulerRules } from './ruler-run.ts'

/** Samples as the runner asks them. The score is `match`, 0 to 1: the share of answers found, or whether any is. */
export function benchSamples(
  inputs: readonly RulerInput[],
  rules: RulerRules,
  modelName: string,
  model: BenchModel,
): BenchSample[] {
  return inputs.map(({ sample, length }) => ({
    id: `${rules.protocol}/${length}/${sample.task}/${sample.row}`,
    facets: { protocol: rules.protocol, task: sample.task, length },
    place: sample.place,
    render: async () => ({
      ...(await encodePrompt(model, promptOf(sample, rules, modelName, model), rules.protocol)),
      expected: sample.outputs.join(' | '),
      rule: replyRule(sample, rules, model),
      score: (reply: string) => ({ match: scoreOf(sample, rules, reply) }),
    }),
  }))
}

function scoreOf(sample: RulerSample, { profile }: RulerRules, reply: string): number {
  return matchSample(taskRule(profile, sample.task).metric, postProcess(profile, reply), sample.outputs)
}

/** Greedy, no stop texts; tokens to generate as the profile, the file or the user says, in this order from last to first. */
function replyRule(sample: RulerSample, rules: RulerRules, model: BenchModel): ReplyRule {
  const profile = RUN_PROFILES[rules.profile]
  const tokenizer = tokenizerOf(model)
  const named = [
    ...(profile.stop === 'eos' ? [tokenizer.specialTokens['eos_token'] ?? ''] : []),
    ...profile.stopTokens,
  ].flatMap((token) => tokenizer.idOf(token) ?? [])
  const own = profile.stop === 'model' ? model.generationDefaults.stopTokens : []
  const raw = rules.profile === 'qpruningkv' || rules.profile === 'kvcache-factory'
  const ofProfile = taskRule(rules.profile, sample.task).newTokens
  return {
    maxTokens: rules.newTokens ?? (raw ? ofProfile : (sample.newTokens ?? ofProfile)),
    stopTokens: [...new Set([...own, ...named])],
    minTokens: profile.minNewTokens,
  }
}
