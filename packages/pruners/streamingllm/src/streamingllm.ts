import { definePruner, integer, oneOf, optional } from '@qpkv/spec'

/**
 * StreamingLLM: keeps the first tokens (attention sinks) and the newest ones; looks at nothing.
 * Xiao et al., "Efficient Streaming Language Models with Attention Sinks", https://arxiv.org/abs/2309.17453
 */
export const streamingllm = definePruner({
  name: 'streamingllm',
  paper: 'https://arxiv.org/abs/2309.17453',
  options: {
    sinks: integer({
      default: 4,
      min: 0,
      max: 65536,
      doc: 'First tokens that are kept; the rest of the budget goes to the newest.',
    }),
    recent: optional(
      integer({
        default: 32,
        min: 1,
        max: 1_048_576,
        doc: 'Newest tokens; given, the rest of the budget goes to the first ones and sinks is ignored.',
      }),
    ),
    decode: oneOf(['keep', 'roll'], {
      default: 'keep',
      doc: 'roll: every later token drops the oldest one behind the sinks.',
    }),
    positions: oneOf(['true', 'cache'], {
      default: 'true',
      doc: 'cache: keys are stored before RoPE and take their index in the cache, as in the original.',
    }),
  },
  profiles: {
    original: { sinks: 4, decode: 'roll', positions: 'cache' },
    qpruningkv: { sinks: 4 },
    'qpruningkv-needle': { recent: 32 },
    'kvcache-factory': { sinks: 4 },
  },
  layer: ({ sinks, recent, decode, positions }, { candidates }) => ({
    score: null,
    // A budget of the sinks alone would hold no newest token: it counts as too small.
    protect:
      recent === undefined
        ? { first: Math.min(sinks, candidates), last: 'rest' }
        : { first: 'rest', last: Math.min(recent, candidates) },
    evict: decode === 'roll' ? 'fifo' : 'never',
    positions,
  }),
})
