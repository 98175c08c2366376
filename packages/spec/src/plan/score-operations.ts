import { expected } from '../errors.ts'
import { integer, number, odd, oneOf, type Option } from '../options/option.ts'
import type { OperationNode } from './score.ts'

type NodeOf<N extends OperationNode['op']> = Extract<OperationNode, { op: N }>

/** An operation as data: how many nodes it takes and its options, in the order in which engines get them. */
export interface Operation<N extends OperationNode['op'] = OperationNode['op']> {
  /** Fewest and most nodes in `of`. */
  readonly of: readonly [fewest: number, most: number]
  readonly options: {
    readonly [K in keyof Required<Omit<NodeOf<N>, 'op' | 'of'>>]: Option<
      NonNullable<NodeOf<N>[K & keyof NodeOf<N>]>
    >
  }
}

const skipFirst = integer({ default: 0, min: 0, doc: 'First tokens that take no part and keep their value.' })
const block = integer({ default: 128, min: 1, doc: 'Tokens of a block; the last may be short.' })

/** A number, or `above`: 1 more than the layer's highest score. */
const constantValue: Option<number | 'above'> = {
  default: 'above',
  doc: 'What they get.',
  accepts: "a number or 'above'",
  check(value, path) {
    if (value !== 'above' && !(typeof value === 'number' && Number.isFinite(value)))
      throw expected(this.accepts, path, value)
    return value
  },
}

/** Every operation of `score.ts`. */
export const scoreOperations: { readonly [N in OperationNode['op']]: Operation<N> } = {
  group: {
    of: [1, 1],
    options: {
      by: oneOf(['mean', 'max', 'sum'], { default: 'mean', doc: 'How rows are joined.' }),
      over: oneOf(['heads', 'layer'], {
        default: 'heads',
        doc: 'Those of each stored head, or all of the layer.',
      }),
    },
  },
  add: { of: [2, 8], options: {} },
  multiply: { of: [2, 8], options: {} },
  power: { of: [1, 1], options: { exponent: number({ default: 2, min: -16, max: 16, doc: 'Exponent.' }) } },
  scale: {
    of: [1, 1],
    options: {
      factor: number({ default: 1, doc: 'Factor.' }),
      offset: number({ default: 0, doc: 'Added afterwards.' }),
    },
  },
  'z-score': {
    of: [1, 1],
    options: {
      over: oneOf(['head', 'layer'], { default: 'head', doc: "A head's tokens, or those of all heads." }),
      skipFirst,
    },
  },
  softmax: { of: [1, 1], options: { skipFirst } },
  'rank-in-blocks': { of: [1, 1], options: { block, skipFirst } },
  pool: {
    of: [1, 1],
    options: {
      pool: oneOf(['max', 'mean'], { default: 'max', doc: 'Largest or mean value.' }),
      kernel: odd({ default: 7, min: 1, max: 4095, doc: 'Odd width in tokens.' }),
      padding: oneOf(['zeros-count', 'valid'], {
        default: 'zeros-count',
        doc: 'What a mean divides by at the edges.',
      }),
      skipFirst,
    },
  },
  'block-pool': {
    of: [1, 1],
    options: {
      pool: oneOf(['max', 'mean'], { default: 'mean', doc: 'Largest or mean value.' }),
      block,
      skipFirst,
    },
  },
  'entropy-gate': {
    of: [1, 1],
    options: {
      block: integer({ default: 10, min: 1, doc: 'Tokens of a block; the last may be short.' }),
      rescue: integer({
        default: 4,
        min: 1,
        doc: 'Tokens that are taken of an important block whose worth lies in few of them.',
      }),
      skipFirst,
    },
  },
  constant: {
    of: [1, 1],
    options: {
      first: integer({ default: 0, min: 0, doc: 'First tokens that get it.' }),
      last: integer({ default: 0, min: 0, doc: 'Last scored tokens that get it.' }),
      value: constantValue,
    },
  },
}
