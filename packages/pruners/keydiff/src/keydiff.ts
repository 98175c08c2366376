import { closingTokens, definePruner, integer } from '@qpkv/spec'

/**
 * KeyDiff: keeps the keys that differ most from the others, by cosine with the mean of the
 * head's normalized keys. Needs no question. Park et al., "KeyDiff: Key Similarity-Based KV
 * Cache Eviction", https://arxiv.org/abs/2504.15364
 */
export const keydiff = definePruner({
  name: 'keydiff',
  paper: 'https://arxiv.org/abs/2504.15364',
  options: {
    last: integer({
      default: 8,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
  },
  layer: ({ last }, { prompt }) => ({
    score: { op: 'scale', factor: -1, of: [{ stat: 'key-similarity' }] },
    protect: { last: last + closingTokens(prompt) },
  }),
})
