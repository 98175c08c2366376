import { needleCaseId, needleCases, type NeedleCaseOptions, type NeedleProtocol } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { NeedlePrompt, NeedleSample } from '../ask.ts'
import type { NeedleModel } from '../needle-model.ts'

/** One protocol's texts; everything here changes the result and stands in the result file. */
export interface NeedleTask {
  readonly protocol: NeedleProtocol
  readonly seed: string | number
  /** Tokens of the whole text, question and answer included. */
  readonly lengths: readonly number[]
  /** Texts per length, one number for all or one per length. */
  readonly samples: number | readonly number[]
  /** Numbers hidden in every text. */
  readonly keys: number
  /** Questions per text; query-agnostic only. */
  readonly questions: number
  /** Where asked numbers lie, per cent of the text, in turn. */
  readonly depths: readonly number[]
}

/**
 * Depths of the heat map: the middles of five equal parts, so that numbers lie as evenly as at random and none within the tokens that a
 * pruner protects at the end.
 */
export const defaultDepths: readonly number[] = [10, 30, 50, 70, 90]

/** Cases of the reference model's world as samples. Throws KV_TOKENIZER without a tokenizer, RangeError for texts too short. */
export function referenceSamples(task: NeedleTask, model: NeedleModel): NeedleSample[] {
  const { tokenizer } = model
  if (!tokenizer) {
    throw new KvError('KV_TOKENIZER', 'The needle needs a tokenizer, and the model folder has none.', {
      hint: 'Put tokenizer.json beside config.json.',
    })
  }
  const { protocol, seed, keys, questions, depths } = task
  return task.lengths.flatMap((tokens, at) => {
    const count = typeof task.samples === 'number' ? task.samples : (task.samples[at] ?? 0)
    const options: NeedleCaseOptions = {
      seed,
      tokens,
      keys,
      protocol,
      questionsPerText: protocol === 'query-aware' ? 1 : questions,
      samples: 1,
      depths: depths.map((depth) => depth / 100),
      countTokens: (text) => tokenizer.encode(text, { special: false }).length,
    }
    return Array.from({ length: count }, (_, index): NeedleSample => ({
      id: `${protocol}/${needleCaseId(options, index)}`,
      facets: { protocol, length: tokens },
      render: () => renderCase({ ...options, from: index }),
    }))
  })
}

function renderCase(options: NeedleCaseOptions): NeedlePrompt {
  const [one] = needleCases(options)
  if (!one) throw new RangeError('Expected one case.')
  return {
    prompt: one.prompt,
    questions: one.questions.map(({ text, key, answer, depth, wantedDepth }) => ({
      id: key,
      text,
      expected: answer,
      facets: { depth: Math.round((wantedDepth ?? depth) * 100) },
    })),
  }
}
