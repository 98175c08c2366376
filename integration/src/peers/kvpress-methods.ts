import { h2o, methods, pyramid } from '@qpkv/methods'
import { createRegistry, defineAllocator, definePruner, type Registry } from '@qpkv/spec'

/** One rule under its name here and in kvpress. */
export interface PressPair {
  readonly ours: string
  readonly press: string
  readonly options: Readonly<Record<string, number>>
  /** kvpress' way of attention that the press needs. Default "sdpa". */
  readonly attention?: 'eager'
}

/** The rules that both have. `pyramid` is asked with the layers' counts that kvpress makes, so that scores are compared. */
export const pressPairs: Readonly<Record<string, PressPair>> = {
  snapkv: {
    ours: 'snapkv:window=32,kernel=5,pool=mean',
    press: 'SnapKVPress',
    options: { window_size: 32, kernel_size: 5 },
  },
  pyramidkv: {
    ours: 'snapkv:window=32,kernel=5,pool=mean~as-told',
    press: 'PyramidKVPress',
    options: { window_size: 32, kernel_size: 5 },
  },
  'observed attention': {
    ours: 'observed-attention',
    press: 'ObservedAttentionPress',
    options: {},
    attention: 'eager',
  },
  keydiff: { ours: 'keydiff:last=0', press: 'KeyDiffPress', options: {} },
  knorm: { ours: 'l2norm', press: 'KnormPress', options: {} },
  'expected attention': {
    ours: 'expected-attention:profile=kvpress',
    press: 'ExpectedAttentionPress',
    options: {},
  },
  streamingllm: { ours: 'streamingllm:sinks=4', press: 'StreamingLLMPress', options: { n_sink: 4 } },
}

/** As near as the engine's statistics come to kvpress' cousin of h2o: that divides by the queries that see a token, this by all of them. */
const observedAttention = definePruner({
  name: 'observed-attention',
  paper: h2o.paper,
  options: {},
  layer: () => ({
    protect: {},
    score: {
      op: 'group',
      by: 'mean',
      of: [{ stat: 'attention', queries: 'all', mask: 'causal', reduce: 'mean' }],
    },
  }),
})

/** All methods, with a way to say how many tokens each layer keeps. */
export function methodsAsTold(counts: () => readonly number[]): Registry {
  const asTold = defineAllocator({
    name: 'as-told',
    paper: pyramid.paper,
    options: {},
    allocate: () => counts(),
    overspends: () => true,
  })
  return createRegistry([...methods, observedAttention, asTold])
}
