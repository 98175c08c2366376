import type { ScoreNode } from '@qpkv/spec'
import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { readFloats } from './arrays.ts'
import type { NextInput } from './next-cases.ts'
import { headsLast } from './pruners.ts'

type Tensors = 'q_pre' | 'q' | 'k_pre' | 'k' | 'v' | 'wo'

/** The recorded tensors of one layer, on which the engine measures scores. */
export class ObservedLayer {
  constructor(
    readonly folder: string,
    readonly engine: ProbeEngine,
    readonly input: NextInput,
  ) {}

  get tokens(): number {
    return this.input.n_tokens
  }

  /** [storedHeads, tokens] */
  observe(score: ScoreNode, protectLast = 0, heads: 'kv' | 'query' = 'kv', kBefore?: Float32Array) {
    const {
      n_tokens: tokens,
      head_dim: headDim,
      num_query_heads: queryHeads,
      num_kv_heads: kvHeads,
    } = this.input
    const byToken = (name: 'q' | 'q_pre') => headsLast(this.read(name), queryHeads, tokens, headDim)
    return this.engine.observe({
      tokens,
      headDim,
      queryHeads,
      kvHeads,
      heads,
      score,
      protectLast,
      q: byToken('q'),
      qBefore: byToken('q_pre'),
      k: this.read('k'),
      kBefore: kBefore ?? this.read('k_pre'),
      v: this.read('v'),
      outputWeight: this.read('wo'),
      ropeInvFreq: Float32Array.from(
        { length: headDim / 2 },
        (_, i) => this.input.rope.theta ** ((-2 * i) / headDim),
      ),
    })
  }

  read(name: Tensors): Float32Array {
    return readFloats(this.folder, this.input[name])
  }
}
