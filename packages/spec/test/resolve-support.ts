import {
  defineAllocator,
  definePruner,
  defineQuantizer,
  integer,
  kiviStorage,
  type KvError,
  meanTokens,
  oneOf,
  resolve,
  windowAttention,
  type SpecInput,
} from '../src/index.ts'

/* A model, a prompt, two pruners and a quantizer to try resolve() with. */

export const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
export const prompt = { tokens: 2048 }

export const window = definePruner({
  name: 'window',
  paper: '',
  options: { window: integer({ default: 16, min: 1, doc: 'w' }) },
  layer: ({ window }, at) =>
    windowAttention({ window, kernel: 7, pool: 'max', group: 'mean', order: 'position' }, at),
})
/** A falling line of tokens. */
const falling = defineAllocator({
  name: 'falling',
  paper: '',
  options: { steep: integer({ default: 3, min: 0, doc: 's' }) },
  allocate: ({ steep }, { layers }) =>
    layers.map(({ capacity }, l) =>
      Math.max(0, Math.floor(capacity + steep * ((layers.length - 1) / 2 - l))),
    ),
})
/** A preset with this line. */
export const slope = definePruner({
  name: 'slope',
  paper: '',
  options: { steep: integer({ default: 3, min: 0, doc: 's' }) },
  allocate: ({ steep }) => falling({ steep }),
  layer: () => ({ score: { stat: 'key-norm' }, protect: { last: 4 } }),
})
export const packed = defineQuantizer({
  name: 'packed',
  paper: '',
  options: {
    bits: oneOf([8, 4, 2], { default: 4, doc: 'b' }),
    residual: oneOf(['unified', 'kivi'], { default: 'unified', doc: 'r' }),
  },
  format: ({ bits, residual }, at) =>
    kiviStorage({ bits, group: 32, recent: 32, residual, solver: { kind: 'min-max' } }, at),
})

export const tokensOf = (spec: SpecInput, facts: { tokens: number } = prompt) =>
  resolve(spec, undefined, model, facts).plan.layers.map((layer) => meanTokens(layer.tokens.perHead))
export const errorOf = (spec: SpecInput): KvError => {
  try {
    resolve(spec, undefined, model, prompt)
  } catch (error) {
    return error as KvError
  }
  throw new Error('resolved')
}
