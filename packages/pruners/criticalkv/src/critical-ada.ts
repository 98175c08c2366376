import { defineSharing, number, oneOf } from '@qpkv/spec'

/** The heads of a layer share its slots by the scores of the first stage; within a head both stages choose. */
export const criticalAda = defineSharing({
  name: 'critical-ada',
  paper: 'https://arxiv.org/abs/2502.03805',
  options: {
    floor: number({ default: 0.2, min: 0, max: 1, doc: 'Part of its equal share that every head keeps.' }),
    guard: oneOf(['part', 'least'], {
      default: 'part',
      doc: 'least: a head keeps at least that part of its tokens, protected ones counted, and the rest goes by the scores alone, as in a released code.',
    }),
  },
  share: ({ floor, guard }) => ({ pool: 'layer', floor, ...(guard === 'least' && { guard }) }),
})
