import { defineAllocator, number, oneOf } from '@qpkv/spec'
import { exactPyramid, flooredPyramid } from './pyramid-budget.ts'

export const pyramidOptions = {
  beta: number({
    default: 20,
    min: 1,
    max: 1000,
    doc: 'Steepness: the top layer gets the mean share / beta.',
  }),
  rounding: oneOf(['exact', 'floor'], {
    default: 'exact',
    doc: 'exact: budgets sum to the budget. floor: integer floors as in the released codes, which overspend.',
  }),
}

/** More tokens in lower layers and fewer in higher ones, on a falling line beside what the pruner protects. */
export const pyramid = defineAllocator({
  name: 'pyramid',
  paper: 'https://arxiv.org/abs/2406.02069',
  options: pyramidOptions,
  allocate: ({ beta, rounding }, { prompt, layers }) => {
    const share = rounding === 'exact' ? exactPyramid : flooredPyramid
    const window = Math.max(...layers.map((layer) => layer.protected))
    return share({ window, beta }, prompt.tokens, layers)
  },
  overspends: ({ rounding }) => rounding === 'floor',
})
