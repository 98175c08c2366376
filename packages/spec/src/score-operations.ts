import type { OptionShape } from './option-shape.ts'
import { integer, number, odd, oneOf } from './options.ts'

/** An operation on scores: how many nodes it takes, which rows it gives and its options. */
export interface Operation<S extends OptionShape = OptionShape> {
  readonly doc: string
  /** Fewest and most nodes in `of`. */
  readonly of: readonly [fewest: number, most: number]
  readonly options: S
}

const operation = <S extends OptionShape>(it: Operation<S>): Operation<S> => Object.freeze(it)

/** Tokens at the ends of the prompt that take no part: they keep their value. */
const skip = {
  skipFirst: integer({ default: 0, min: 0, doc: 'First tokens that take no part and keep their value.' }),
  skipLast: integer({ default: 0, min: 0, doc: 'Last tokens that take no part and keep their value.' }),
}
const over = oneOf(['head', 'layer'], {
  default: 'head',
  doc: 'Each head by itself, or all heads of the layer together.',
})

/** All operations on scores. Rows stay what they are, except under `group`, which alone turns query heads into stored heads. */
export const scoreOperations = {
  group: operation({
    doc: 'Joins the query heads of each stored head; over the layer: all rows into one that every stored head gets.',
    of: [1, 1],
    options: {
      reduce: oneOf(['mean', 'max', 'sum'], { default: 'mean', doc: 'How rows are joined.' }),
      over,
    },
  }),
  add: operation({ doc: 'Sum of the nodes.', of: [2, 8], options: {} }),
  multiply: operation({ doc: 'Product of the nodes.', of: [2, 8], options: {} }),
  power: operation({
    doc: 'x to the exponent; below 0 not a number unless the exponent is whole.',
    of: [1, 1],
    options: { exponent: number({ default: 2, min: -16, max: 16, doc: 'Exponent.' }) },
  }),
  scale: operation({
    doc: 'x times the factor, plus the offset.',
    of: [1, 1],
    options: {
      factor: number({ default: 1, doc: 'Factor.' }),
      offset: number({ default: 0, doc: 'Added afterwards.' }),
    },
  }),
  'z-score': operation({
    doc: 'Distance from the mean in standard deviations (divided by n - 1); 0 where all are equal.',
    of: [1, 1],
    options: { over, ...skip },
  }),
  softmax: operation({ doc: 'Softmax along the tokens, of each row.', of: [1, 1], options: skip }),
  rank: operation({
    doc: 'Place of a score among its block of tokens, ascending from 0, over the tokens of the block; equal ones by position.',
    of: [1, 1],
    options: {
      block: integer({ default: 128, min: 1, doc: 'Tokens per block; the last may be short.' }),
      ...skip,
    },
  }),
  pool: operation({
    doc: 'Pooling along the tokens with stride 1; the length stays.',
    of: [1, 1],
    options: {
      pool: oneOf(['max', 'mean'], { default: 'max', doc: 'Largest or mean value.' }),
      kernel: odd({ default: 7, min: 1, max: 4095, doc: 'Odd width in tokens.' }),
      padding: oneOf(['zeros-count', 'valid'], {
        default: 'zeros-count',
        doc: 'A mean divides by the kernel at the edges too, or by the tokens that exist.',
      }),
      ...skip,
    },
  }),
  'block-pool': operation({
    doc: 'Each token gets the mean or the largest value of its block.',
    of: [1, 1],
    options: {
      pool: oneOf(['mean', 'max'], { default: 'mean', doc: 'Mean or largest value.' }),
      block: integer({ default: 20, min: 1, doc: 'Tokens per block; the last may be short.' }),
      ...skip,
    },
  }),
  constant: operation({
    doc: 'Gives the first and last tokens one value.',
    of: [1, 1],
    options: {
      value: number({ default: 1, doc: 'What they get.' }),
      first: integer({ default: 0, min: 0, doc: 'First tokens that get it.' }),
      last: integer({ default: 0, min: 0, doc: 'Last tokens that get it.' }),
    },
  }),
} as const
