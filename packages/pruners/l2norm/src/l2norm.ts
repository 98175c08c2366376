import { closingTokens, definePruner, integer, oneOf } from '@qpkv/spec'
import { wholeFirst } from './whole-first.ts'

/**
 * L2 norm: keeps the tokens whose keys have the smallest norm; they tend to be those that later queries attend
 * to. Needs no question. Devoto et al., "A Simple and Effective L2 Norm-Based Strategy for KV Cache
 * Compression", https://arxiv.org/abs/2406.11430
 */
export const l2norm = definePruner({
  name: 'l2norm',
  paper: 'https://arxiv.org/abs/2406.11430',
  options: {
    norms: oneOf(['smallest', 'largest'], {
      default: 'smallest',
      doc: 'largest: the opposite, for models whose attended keys are long; an ablation of the original scripts.',
    }),
    last: integer({
      default: 0,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
    skip: integer({ default: 0, min: 0, max: 4096, doc: 'First layers that keep the whole prompt.' }),
    skipped: oneOf(['counted', 'free'], {
      default: 'counted',
      doc: 'counted: the other layers share what the skipped ones leave of the budget. free: the budget is for the other layers only.',
    }),
    order: oneOf(['position', 'score'], { default: 'position', doc: 'Storage order of the kept tokens.' }),
  },
  profiles: {
    original: { skip: 2, skipped: 'free', order: 'score' },
    'kvcache-factory': { skip: 2, skipped: 'free', order: 'score' },
  },
  allocate: ({ skip, skipped }) => (skip > 0 ? wholeFirst({ layers: skip, whole: skipped }) : undefined),
  layer: ({ norms, last, order }, { prompt }) => ({
    score:
      norms === 'smallest' ? { op: 'scale', factor: -1, of: [{ stat: 'key-norm' }] } : { stat: 'key-norm' },
    protect: { last: last + closingTokens(prompt) },
    order,
  }),
})
