import { binaryShare, defineAllocator, integer, oneOf, readBudget } from '@qpkv/spec'

/** Every layer keeps its share in whole chunks of the prompt. */
export const wholeChunks = defineAllocator({
  name: 'whole-chunks',
  paper: 'https://arxiv.org/abs/2502.00299',
  options: {
    chunk: integer({ default: 10, min: 1, max: 4096, doc: 'Tokens of a chunk.' }),
    count: oneOf(['within', 'share'], {
      default: 'within',
      doc: 'within: as many as the budget holds. share: the same part of the chunks as of the tokens, at least one, as a released code counts; it may exceed the budget.',
    }),
  },
  allocate: ({ chunk, count }, { prompt, layers, budget }) =>
    layers.map(({ capacity, fixed, protected: least }) => {
      // Without a full chunk there is nothing to round to.
      if (fixed || capacity >= prompt.tokens || prompt.tokens < chunk) return capacity
      const orLeast = (tokens: number) => (tokens < least ? Math.min(capacity, least) : tokens)
      if (count === 'within') return orLeast(Math.floor(capacity / chunk) * chunk)
      const fraction = budget && readBudget(budget).name === 'fraction' && 'fraction' in budget
      const share = fraction ? binaryShare(budget.fraction) : capacity / prompt.tokens
      const kept = Math.max(1, Math.trunc(Math.ceil(prompt.tokens / chunk) * share))
      return orLeast(kept * chunk)
    }),
  overspends: ({ count }) => count === 'share',
})
