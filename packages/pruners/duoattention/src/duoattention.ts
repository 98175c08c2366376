import { closingTokens, definePruner, integer } from '@qpkv/spec'
import { headTable, headTableOptions } from './head-table.ts'

/**
 * DuoAttention: heads that retrieve keep the whole prompt, the others the first tokens and the newest ones. A table says which
 * heads are which. Xiao et al., "DuoAttention: Efficient Long-Context LLM Inference with Retrieval and Streaming Heads",
 * https://arxiv.org/abs/2410.10819
 */
export const duoattention = definePruner({
  name: 'duoattention',
  paper: 'https://arxiv.org/abs/2410.10819',
  options: {
    sinks: integer({ default: 16, min: 0, max: 65536, doc: 'First tokens that every head keeps.' }),
    recent: integer({
      default: 64,
      min: 1,
      max: 65536,
      doc: 'Newest tokens of a head that does not keep the whole prompt.',
    }),
    ...headTableOptions,
  },
  profiles: { original: { sinks: 64, recent: 256 } },
  // Later tokens are worth more: a head with room for all keeps all, one with little the newest.
  layer: ({ sinks }, { prompt }) => ({
    score: { stat: 'position' },
    protect: { first: sinks, last: 1 + closingTokens(prompt) },
  }),
  allocate: ({ sinks, recent, table, tableHash }) =>
    headTable({
      tokens: sinks + recent,
      ...(table !== undefined && { table }),
      ...(tableHash !== undefined && { tableHash }),
    }),
})
