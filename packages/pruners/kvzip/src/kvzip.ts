import { boolean, closingTokens, definePruner, integer, oneOf, type ScoreInput } from '@qpkv/spec'
import { modelWide } from './model-wide.ts'

/**
 * KVzip: keeps the tokens that the model looks at while it repeats the prompt; heads of all layers share the slots.
 * Needs no question. Kim et al., "KVzip: Query-Agnostic KV Cache Compression with Context Reconstruction",
 * https://arxiv.org/abs/2505.23416
 */
export const kvzip = definePruner({
  name: 'kvzip',
  paper: 'https://arxiv.org/abs/2505.23416',
  options: {
    plus: boolean({
      default: false,
      doc: 'KVzip+: attention times the norm of the value after the output projection, over the norm of what the layer reads.',
    }),
    sinks: integer({
      default: 4,
      min: 0,
      max: 4096,
      doc: 'First tokens, which are kept, and seen beside each part that is repeated.',
    }),
    ends: oneOf(['protected', 'scored'], {
      default: 'protected',
      doc: 'scored: the sinks count 1 and may lose to others, as in a released code.',
    }),
    unseen: integer({
      default: 0,
      min: 0,
      max: 65536,
      doc: 'With scored ends: first tokens that are not repeated, such as a template before the text.',
    }),
    last: integer({
      default: 8,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
  },
  profiles: { kvpress: { ends: 'scored', last: 0 } },
  layer: ({ plus, sinks, ends, unseen, last }, { prompt }) => {
    const seen: ScoreInput = {
      stat: 'replay-attention',
      sinks,
      over: plus ? 'input-norm' : 'nothing',
    }
    const worth: ScoreInput = plus
      ? { op: 'multiply', of: [seen, { stat: 'value-output-norm', norm: 2 }] }
      : seen
    const score: ScoreInput = { op: 'group', by: 'max', of: [worth] }
    const kept = last + closingTokens(prompt)
    if (ends === 'protected') return { score, protect: { first: sinks, last: kept } }
    const first = Math.min(sinks, unseen)
    return {
      score: first > 0 ? { op: 'constant', first, last: 0, value: 1, of: [score] } : score,
      protect: { last: kept },
    }
  },
  share: () => modelWide(),
})
