import {
  closingTokens,
  definePruner,
  integer,
  oneOf,
  windowAttention,
  windowAttentionOptions,
  type ScoreInput,
  type Selection,
} from '@qpkv/spec'
import { wholeChunks } from './whole-chunks.ts'

const { window, kernel, pool, group } = windowAttentionOptions({ window: 32 })

/**
 * ChunkKV: keeps chunks of neighboring tokens, so that what belongs together stays together; all heads of a layer keep
 * the same ones. Liu et al., "ChunkKV: Semantic-Preserving KV Cache Compression for Efficient Long-Context LLM
 * Inference", https://arxiv.org/abs/2502.00299
 */
export const chunkkv = definePruner({
  name: 'chunkkv',
  paper: 'https://arxiv.org/abs/2502.00299',
  options: {
    chunk: integer({ default: 10, min: 1, max: 4096, doc: 'Tokens of a chunk.' }),
    gate: oneOf(['none', 'entropy'], {
      default: 'none',
      doc: 'entropy: of an important chunk whose worth lies in few tokens only the best ones are taken at first.',
    }),
    rescue: integer({ default: 4, min: 1, max: 4096, doc: 'Tokens that the gate takes of such a chunk.' }),
    cut: oneOf(['token', 'chunk'], {
      default: 'token',
      doc: 'token: the last chunk is cut where the budget ends. chunk: only whole chunks are kept, the rest of the budget stays unused.',
    }),
    ends: oneOf(['protected', 'scored'], {
      default: 'protected',
      doc: 'scored: tokens of the window count 1 more than the highest score in the means of their chunks, as in a released code.',
    }),
    window,
    kernel,
    pool,
    group,
  },
  profiles: {
    kvpress: { chunk: 20, cut: 'chunk', ends: 'scored', window: 64, kernel: 5, pool: 'mean' },
    'kvpress-entropy': { gate: 'entropy', ends: 'scored', window: 64, kernel: 5, pool: 'mean' },
  },
  allocate: ({ cut, chunk }) => (cut === 'chunk' ? wholeChunks({ chunk, count: 'share' }) : undefined),
  layer: (options, { prompt }): Selection => {
    const { chunk, gate, rescue, cut, ends, ...observed } = options
    const closing = closingTokens(prompt)
    const own = windowAttention({ ...observed, order: 'position' }, { prompt })
    // Without a full chunk the released code leaves the choice to the score that it extends.
    if (ends === 'scored' && chunk > prompt.tokens) return own
    const tokens = ends === 'scored' ? withWindow(own.score, options.window) : own.score
    const joined: ScoreInput = { op: 'group', by: 'sum', over: 'layer', of: [tokens] }
    return {
      score:
        gate === 'entropy'
          ? { op: 'entropy-gate', block: chunk, rescue, of: [joined] }
          : { op: 'block-pool', pool: 'mean', block: chunk, of: [joined] },
      ...(cut === 'chunk' && { whole: chunk }),
      protect: ends === 'scored' ? { last: closing } : { last: options.window + closing },
    }
  },
})

/** The score of the tokens before the window, pooled without it, and 1 more than the highest for the window. */
function withWindow(score: ScoreInput, last: number): ScoreInput {
  const without = (of: ScoreInput): ScoreInput => ({ op: 'constant', first: 0, last, value: 0, of: [of] })
  const pooled: ScoreInput =
    'op' in score && score.op === 'pool' ? { ...score, of: [without(score.of[0]!)] } : score
  // A mean over the window, which 1 is added to.
  const mean: ScoreInput = { op: 'scale', factor: 1 / last, of: [pooled] }
  return { op: 'constant', first: 0, last, value: 'above', of: [without(mean)] }
}
