import {
  closingTokens,
  definePruner,
  expectedAttentionOptions,
  expectedAttentionScore,
  integer,
  number,
  oneOf,
  type ScoreInput,
} from '@qpkv/spec'

/**
 * Expected attention: keeps the tokens that queries of later positions are expected to attend to, given how the
 * prompt's queries are distributed, times the size of their values. Needs no question.
 * Devoto et al., "Expected Attention: KV Cache Compression by Estimating Attention from Future Queries Distribution",
 * https://arxiv.org/abs/2510.00636
 */
export const expectedAttention = definePruner({
  name: 'expected-attention',
  paper: 'https://arxiv.org/abs/2510.00636',
  options: {
    ...expectedAttentionOptions,
    weigh: oneOf(['value-norm', 'value-output-norm', 'none'], {
      default: 'value-norm',
      doc: 'What a score is multiplied by: the norm of the value, that of the value after the output projection, or nothing.',
    }),
    epsilon: number({ default: 0, min: 0, max: 1, doc: 'Added to a score before it is multiplied.' }),
    last: integer({
      default: 8,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
  },
  profiles: { kvpress: { last: 0 } },
  layer: ({ weigh, epsilon, last, ...options }, { prompt }) => {
    const expected = expectedAttentionScore(options)
    return {
      score:
        weigh === 'none'
          ? expected
          : {
              op: 'multiply',
              of: [{ op: 'scale', factor: 1, offset: epsilon, of: [expected] }, norms[weigh]],
            },
      protect: { first: options.sinks, last: last + closingTokens(prompt) },
    }
  },
})

const norms: Record<'value-norm' | 'value-output-norm', ScoreInput> = {
  'value-norm': { stat: 'value-norm', norm: 2 },
  'value-output-norm': { op: 'group', by: 'mean', of: [{ stat: 'value-output-norm', norm: 2 }] },
}
