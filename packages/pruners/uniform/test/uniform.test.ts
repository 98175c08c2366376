import {
  definePruner,
  defineQuantizer,
  exactFormat,
  meanTokens,
  packedFormat,
  resolve,
  type SpecInput,
} from '@qpkv/spec'
import { expect, test } from 'vitest'
import { equalMemory, uniform } from '../src/index.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
const norms = definePruner({
  name: 'norms',
  paper: '',
  options: {},
  layer: () => ({ score: { stat: 'key-norm' }, protect: {} }),
})
/** 16 bit in the first layer, 4 elsewhere. */
const mixed = defineQuantizer({
  name: 'mixed',
  paper: '',
  options: {},
  format: (_, { layer }) => {
    const format = layer === 0 ? exactFormat() : packedFormat({ bits: 4, scalePer: 'token', group: 64 })
    return { key: format, value: format }
  },
})
const tokens = (spec: SpecInput) =>
  resolve({ prune: norms(), quantize: mixed(), ...spec }, undefined, model, {
    tokens: 5000,
  }).plan.layers.map((layer) => meanTokens(layer.tokens.perHead))

test('uniform keeps equally many tokens, equal-memory equally many bits, of the same sum', () => {
  expect(tokens({ budget: { tokens: 130 }, allocate: uniform() })).toEqual([130, 130, 130, 130])
  // 520 tokens: a sixteenth for each bit of 1 / 16 + 3 / 4.
  expect(tokens({ budget: { tokens: 130 }, allocate: equalMemory() })).toEqual([40, 160, 160, 160])
  // 64 * 16 * 4 bits of which a token takes 16 + 4 + 4 + 4 over the layers.
  expect(tokens({ budget: { fp16Tokens: 64 }, allocate: uniform() })).toEqual([146, 146, 146, 146])
  expect(tokens({ budget: { fp16Tokens: 64 }, allocate: equalMemory() })).toEqual([64, 256, 256, 256])
})

test('an equal share is already uniform under tokens and equal memory under bits and bytes', () => {
  for (const budget of [{ tokens: 130 }, { fraction: 0.1 }])
    expect(tokens({ budget, allocate: uniform() })).toEqual(tokens({ budget }))
  for (const budget of [{ fp16Tokens: 64 }, { bytes: '512KiB' }])
    expect(tokens({ budget, allocate: equalMemory() })).toEqual(tokens({ budget }))
  expect(tokens({ allocate: equalMemory() })).toEqual([5000, 5000, 5000, 5000])
})

test("a released code's count holds where it leaves fewer tokens than are protected: the newest stay", () => {
  const ends = definePruner({
    name: 'ends',
    paper: '',
    options: {},
    layer: () => ({ score: { stat: 'key-norm' }, protect: { first: 4, last: 8 } }),
  })
  const plan = (fraction: number, allocate: SpecInput['allocate']) =>
    resolve({ prune: ends(), budget: { fraction }, ...(allocate && { allocate }) }, undefined, model, {
      tokens: 100,
    }).plan.layers[0]!
  const kvpress = uniform({ profile: 'kvpress' })
  expect(plan(0.001, kvpress)).toMatchObject({ tokens: { perHead: 1 }, protect: { first: 0, last: 1 } })
  expect(plan(0.105, kvpress)).toMatchObject({ tokens: { perHead: 10 }, protect: { first: 2, last: 8 } })
  expect(plan(0.205, kvpress)).toMatchObject({ tokens: { perHead: 20 }, protect: { first: 4, last: 8 } })
  expect(() => plan(0.1, undefined)).toThrow('must keep at least 12')
})
