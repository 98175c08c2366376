import { defineSharing, number, oneOf } from '@qpkv/spec'

/** All heads of all layers share the slots by where the model's best scores lie. */
export const modelWide = defineSharing({
  name: 'model-wide',
  paper: 'https://arxiv.org/abs/2505.23416',
  options: {
    floor: number({ default: 0, min: 0, max: 1, doc: 'Part of its equal share that every head keeps.' }),
    guard: oneOf(['part', 'least'], {
      default: 'part',
      doc: 'least: a head keeps at least that part of its tokens, protected ones counted, and the rest goes by the scores alone.',
    }),
  },
  share: ({ floor, guard }) => ({ pool: 'model', floor, ...(guard === 'least' && { guard }) }),
})
