import {
  closingTokens,
  definePruner,
  expectedAttentionOptions,
  expectedAttentionScore,
  number,
  oneOf,
  windowAttention,
  windowAttentionOptions,
  type ScoreInput,
  type Selection,
} from '@qpkv/spec'

const { window, kernel, pool, group } = windowAttentionOptions({ window: 32 })

/**
 * CriticalKV: half of the slots go to the tokens with most attention, the others to those whose attention times the
 * size of what their value adds to the hidden state is largest, which bounds the change of the output.
 * Feng et al., "Identify Critical KV Cache in LLM Inference from an Output Perturbation Perspective",
 * https://arxiv.org/abs/2502.03805
 */
export const criticalkv = definePruner({
  name: 'criticalkv',
  paper: 'https://arxiv.org/abs/2502.03805',
  options: {
    base: oneOf(['window', 'expected'], {
      default: 'window',
      doc: "Attention that counts: window is snapkv's, expected is expected-attention's.",
    }),
    first: number({
      default: 0.5,
      min: 0,
      max: 1,
      doc: 'Part of the slots that go by attention alone.',
    }),
    counted: oneOf(['slots', 'kept'], {
      default: 'slots',
      doc: 'What the first part is a part of. kept: all kept tokens; protected ones fill it first, as in a released code.',
    }),
    epsilon: number({ default: 1e-4, min: 0, max: 1, doc: 'Added to the attention in the second stage.' }),
    window,
    kernel,
    pool,
    group,
    ...expectedAttentionOptions,
  },
  profiles: { kvpress: { counted: 'kept', window: 64, kernel: 5, pool: 'mean' } },
  layer: ({ base, first, counted, epsilon, ...options }, { prompt }): Selection => {
    const { score, protect }: Base = base === 'window' ? observed(options, prompt) : expected(options, prompt)
    const critical: ScoreInput = {
      op: 'multiply',
      of: [
        { op: 'scale', factor: 1, offset: epsilon, of: [score] },
        { op: 'group', by: 'mean', of: [{ stat: 'value-output-norm', norm: 1 }] },
      ],
    }
    if (first === 0) return { score: critical, protect }
    if (first === 1) return { score, protect }
    return {
      stages: [
        { score, share: first, ...(counted === 'kept' && { of: 'kept' as const }) },
        { score: critical, share: 1 - first },
      ],
      protect,
    }
  },
})

type Options = Parameters<typeof windowAttention>[0] & Parameters<typeof expectedAttentionScore>[0]
type Prompt = Parameters<typeof closingTokens>[0]
type Base = { readonly score: ScoreInput; readonly protect: { first?: number; last: number } }

/** snapkv's attention as a mean over the window, so that `epsilon` means the same for all windows. */
function observed(options: Omit<Options, 'order'>, prompt: Prompt): Base {
  const { score } = windowAttention({ ...options, order: 'position' }, { prompt })
  const last = options.window + closingTokens(prompt)
  return { score: { op: 'scale', factor: 1 / options.window, of: [score] }, protect: { last } }
}

const expected = (options: Omit<Options, 'order'>, prompt: Prompt): Base => ({
  score: expectedAttentionScore(options),
  protect: { first: options.sinks, last: closingTokens(prompt) },
})
