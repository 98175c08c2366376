import { defineSharing, number, oneOf } from '@qpkv/spec'

export const adaOptions = {
  floor: number({
    default: 0.2,
    min: 0,
    max: 1,
    doc: 'Part of its equal share that every head keeps; 1 is SnapKV.',
  }),
  guard: oneOf(['part', 'least'], {
    default: 'part',
    doc: 'least: a head keeps at least that part of its tokens, protected ones counted, and the rest goes by the scores alone, as in a released code.',
  }),
  weigh: oneOf(['none', 'top-share'], {
    default: 'none',
    doc: "top-share: a head's scores count times what part of their sum its best ones hold.",
  }),
  rounding: oneOf(['exact', 'each'], {
    default: 'exact',
    doc: 'each: slots are rounded head by head, so that their sum may differ from the budget.',
  }),
}

/** The heads of a layer share its slots by where the layer's best scores lie. */
export const ada = defineSharing({
  name: 'ada',
  paper: 'https://arxiv.org/abs/2407.11550',
  options: adaOptions,
  profiles: { kvpress: { guard: 'least' } },
  share: ({ floor, guard, weigh, rounding }) => ({
    pool: 'layer',
    floor,
    ...(guard === 'least' && { guard }),
    ...(weigh === 'top-share' && { weigh }),
    ...(rounding === 'each' && { rounding }),
  }),
})
