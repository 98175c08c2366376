import { closingTokens, definePruner, integer } from '@qpkv/spec'

/** Random: keeps tokens by lot, the baseline that every comparison needs. The same seed keeps the same tokens everywhere. */
export const random = definePruner({
  name: 'random',
  paper: '',
  options: {
    seed: integer({ default: 0, min: 0, max: 2 ** 31, doc: 'Another seed, another lot.' }),
    last: integer({
      default: 8,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
  },
  layer: ({ seed, last }, { prompt, layer }) => ({
    // Layers draw apart.
    score: { stat: 'random', seed: (seed + layer * 7919) % 2 ** 31 },
    protect: { last: last + closingTokens(prompt) },
  }),
})
