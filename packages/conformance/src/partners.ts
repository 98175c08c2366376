import { definePruner, defineQuantizer, packedFormat } from '@qpkv/spec'

/** A quantizer whose layers differ in width, to try pruners on: 8 bit in layer 0, 4 elsewhere. */
export const mixedBits = defineQuantizer({
  name: 'mixed-bits',
  paper: '',
  options: {},
  format: (_, { layer }) => {
    const bits = layer === 0 ? 8 : 4
    return {
      key: packedFormat({ bits, scalePer: 'channel', group: 32 }),
      value: packedFormat({ bits, scalePer: 'token', group: 8 }),
      recent: 16,
    }
  },
})

/** A pruner that keeps the newest tokens, to try quantizers on. */
export const newest = definePruner({
  name: 'newest',
  paper: '',
  options: {},
  layer: () => ({ score: null, protect: { last: 'rest' } }),
})

/** A pruner that observes and protects little, to try allocators and sharings on. */
export const norms = definePruner({
  name: 'norms',
  paper: '',
  options: {},
  layer: () => ({ score: { stat: 'key-norm' }, protect: { last: 4 } }),
})
