import { testAxes } from '@qpkv/conformance'
import { meanTokens, parseSpec, resolve, type KvError, type SpecInput } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { registry } from '../src/index.ts'

testAxes({ test, registry })

const model = { layers: 6, queryHeads: 8, kvHeads: 4, headDim: 64 }
const prompts = [{ tokens: 900 }, { tokens: 700, userEnd: 688 }, { tokens: 60 }]
const planOf = (spec: SpecInput, prompt: { tokens: number }) => resolve(spec, registry, model, prompt).plan

test.each([
  ['pyramidkv', 'snapkv:window=8~pyramid'],
  ['pyramidkv:beta=5,window=16', 'snapkv:window=16~pyramid:beta=5'],
  ['pyramidkv:profile=original', 'snapkv:window=8,order=score~pyramid:rounding=floor'],
  ['adakv', 'snapkv~~ada'],
  ['adakv:profile=original', 'snapkv:order=score~~ada:weigh=top-share,rounding=each'],
  ['adakv:floor=0.5', 'snapkv~none~ada:floor=0.5'],
  ['l2norm:skip=2', 'l2norm~whole-first:layers=2'],
  ['l2norm:profile=original', 'l2norm:order=score~whole-first:layers=2,whole=free'],
  ['layerquant', 'snapkv:window=8'],
  // An axis that is written out replaces the preset's.
  ['pyramidkv~none', 'snapkv:window=8'],
  ['pyramidkv~uniform', 'snapkv:window=8~uniform'],
  ['adakv~~none', 'snapkv'],
  ['adakv~pyramid', 'pyramidkv:window=32~~ada'],
])('%s is %s', (preset, axes) => {
  let plans = 0
  for (const budget of ['96t', '480t', '40x16', '25%', '256KiB', '3MiB'])
    for (const prompt of prompts)
      for (const quantizer of ['none', 'kivi:bits=4', 'kvquant']) {
        const outcome = (text: string) => {
          try {
            return planOf(parseSpec(`${text}+${quantizer}@${budget}`), prompt)
          } catch (error) {
            return (error as KvError).code
          }
        }
        const plan = outcome(preset)
        if (typeof plan === 'object') plans++
        expect(plan).toEqual(outcome(axes))
      }
  expect(plans).toBeGreaterThan(10)
})

test('the preset of layerquant under its profile is its allocator', () => {
  const spec = (axes: string) => parseSpec(`${axes}+layerquant:profile=qpruningkv@64x16`)
  for (const prompt of prompts)
    expect(planOf(spec('layerquant:profile=qpruningkv'), prompt)).toEqual(
      planOf(spec('snapkv:window=8,order=score~layer-range'), prompt),
    )
})

test('two allocators differ in tokens, two sharings in their pool, and nowhere else', () => {
  const scores = ['snapkv', 'h2o', 'keydiff', 'l2norm']
  for (const score of scores) {
    const plan = (axes: string) => planOf(parseSpec(`${score}${axes}+kivi:bits=4@96t`), { tokens: 900 })
    const [even, pyramid, shared] = ['', '~pyramid', '~~ada'].map(plan)
    const tokens = (of: typeof even) => of!.layers.map((layer) => meanTokens(layer.tokens.perHead))
    expect(new Set(tokens(even)).size).toBe(1)
    expect(tokens(pyramid)).toEqual([...tokens(pyramid)].sort((a, b) => b - a))
    expect(new Set(tokens(pyramid)).size).toBeGreaterThan(1)
    for (const [l, layer] of even!.layers.entries()) {
      const { perHead } = pyramid!.layers[l]!.tokens
      expect(shared!.layers[l]).toEqual({
        ...layer,
        tokens: { ...layer.tokens, pool: 'layer', floor: 0.2 },
      })
      if (score !== 'h2o')
        expect(pyramid!.layers[l]).toEqual({ ...layer, tokens: { ...layer.tokens, perHead } })
    }
  }
})
