import { closingTokens, definePruner, integer, number, oneOf, type ScoreInput } from '@qpkv/spec'

/**
 * Compactor: keeps keys that are outliers among those of their head (statistical leverage) and tokens that their own
 * neighborhood attends to, in chunks where queries see later keys too. Needs no question.
 * Chari and Van Durme, "Compactor: Calibrated Query-Agnostic KV Cache Compression with Approximate Leverage Scores",
 * https://arxiv.org/abs/2507.08143
 */
export const compactor = definePruner({
  name: 'compactor',
  paper: 'https://arxiv.org/abs/2507.08143',
  options: {
    blend: number({ default: 0.35, min: 0, max: 100, doc: 'Weight of the leverage beside the attention.' }),
    chunk: integer({ default: 256, min: 1, max: 1024, doc: 'Tokens of a chunk of the attention.' }),
    sketch: integer({
      default: 0,
      min: 0,
      max: 256,
      doc: 'Random projections that stand for the channels; 0: the leverage is exact.',
    }),
    seed: integer({ default: 0, min: 0, max: 2 ** 31, doc: 'Of the projections.' }),
    logits: oneOf(['scaled', 'raw'], {
      default: 'scaled',
      doc: 'Whether products of queries and keys are divided by the root of the head dimension.',
    }),
    padding: oneOf(['none', 'zeros'], {
      default: 'none',
      doc: 'zeros: a short last chunk is filled up with empty tokens, as in a released code.',
    }),
    sinks: integer({ default: 8, min: 0, max: 4096, doc: 'First tokens, which are kept and not scored.' }),
    last: integer({
      default: 4,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn, which are kept and not scored.',
    }),
  },
  profiles: { kvpress: { sketch: 48, logits: 'raw', padding: 'zeros' } },
  layer: ({ blend, chunk, sketch, seed, logits, padding, sinks, last: recent }, { prompt }) => {
    const last = recent + closingTokens(prompt)
    const range = { first: sinks, last }
    // Both parts in deviations from the mean of the layer, so that one weight suits every model.
    const standard = (of: ScoreInput): ScoreInput => ({
      op: 'z-score',
      over: 'layer',
      skipFirst: sinks,
      of: [of],
    })
    const attention: ScoreInput = {
      op: 'multiply',
      of: [
        {
          op: 'group',
          by: 'mean',
          of: [{ stat: 'chunk-attention', chunk, mask: 'none', logits, padding, ...range }],
        },
        { stat: 'value-norm', norm: 2 },
      ],
    }
    const near: ScoreInput = {
      op: 'pool',
      pool: 'mean',
      kernel: 3,
      padding: 'zeros-count',
      skipFirst: sinks,
      of: [attention],
    }
    const outlier = standard({ stat: 'leverage', sketch, seed, ...range })
    return {
      score: { op: 'add', of: [{ op: 'scale', factor: blend, of: [outlier] }, standard(near)] },
      protect: { first: sinks, last },
    }
  },
})
