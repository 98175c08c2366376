import { statisticsOf, type CompressionPlan } from '@qpkv/spec'
import type { ModelParts } from './model-parts.ts'
import type { NativeReplay } from './native/addon.ts'

/** Tokens of the prompt that one repetition covers; the last one covers the rest. */
export const REPLAY_TOKENS = 2048
/** Last tokens of the part before, from which the model goes on. */
const LEAD_TOKENS = 8

/** The replays that these plans of one prompt need. */
export const replaysFor = (
  plans: readonly CompressionPlan[],
  ids: Int32Array,
  { tokenizer }: Pick<ModelParts, 'tokenizer'>,
): NativeReplay[] =>
  plans.some(wantsReplay)
    ? replaysOf(
        { ids, userEnd: plans[0]?.userEnd },
        (text) => tokenizer?.encode(text, { special: false }) ?? [],
      )
    : []

/** Whether a plan wants to see what the model looks at while it repeats the prompt. */
export const wantsReplay = ({ layers }: CompressionPlan): boolean =>
  layers.some(({ stages }) =>
    stages.some(({ score }) => statisticsOf(score).some(({ stat }) => stat === 'replay-attention')),
  )

/**
 * The prompt in parts, each as the model would repeat it when asked to: a request, the last tokens of the part before,
 * the closing tokens of a chat template, then the part itself. `encode` turns text into ids without special tokens; a
 * model without a tokenizer repeats without being asked. Costs about a second prefill, and one more as long as the prompt.
 */
function replaysOf(
  { ids, userEnd = ids.length }: { readonly ids: Int32Array; readonly userEnd?: number | undefined },
  encode: (text: string) => ArrayLike<number>,
): NativeReplay[] {
  const first = Array.from(encode('\n\nWrite the text above again, word for word:'))
  const next = Array.from(encode('\n\nWrite the text above again, word for word, going on after'))
  const closing = ids.subarray(userEnd)
  const parts: NativeReplay[] = []
  for (let from = 0; from < userEnd; from += REPLAY_TOKENS) {
    const to = Math.min(from + REPLAY_TOKENS, userEnd)
    const lead = from === 0 ? first : [...next, ...ids.subarray(Math.max(0, from - LEAD_TOKENS), from)]
    parts.push({ ids: Int32Array.of(...lead, ...closing, ...ids.subarray(from, to)), from, to })
  }
  return parts
}
