import { defineQuantizer, exactFormat } from '../src/index.ts'

/** A quantizer that counts 4 bits a value and changes none. */
export const simulated = defineQuantizer({
  name: 'simulated',
  paper: '',
  options: {},
  format: () => ({ key: exactFormat(), value: exactFormat(), simulated: { keyBits: 4, valueBits: 4 } }),
  simulation: {
    used: () => true,
    roundTrip: (_, { values }) => ({ values, bytes: values.length / 2 }),
    bytes: (_, { heads, tokens, headDim }) => (heads * tokens * headDim) / 2,
  },
})
