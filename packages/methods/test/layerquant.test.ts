import { parseSpec, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { registry } from '../src/index.ts'

const model = { layers: 8, queryHeads: 4, kvHeads: 2, headDim: 64 }
const run = (text: string) => resolve(parseSpec(text), registry, model, { tokens: 4000 })
const tokensOf = (text: string) => run(text).plan.layers.map((layer) => layer.tokens.perHead)

test.each(['128x16', '200t', '30%', '300KiB'])(
  'LayerQuant and plain overrides give identical plans at %s',
  (budget) => {
    const named = run(`layerquant:window=16+layerquant:bits=4,from=1,to=4,rangeBits=8@${budget}`)
    const plain = run(`snapkv:window=16+kivi:bits=4@${budget}#1-4:keyBits=8,valueBits=8`)
    const half = run(`snapkv:window=16+layerquant:bits=4,from=1,to=4,rangeBits=8@${budget}`)
    expect(named.plan).toEqual(plain.plan)
    expect(half.plan).toEqual(plain.plan)
    expect(named.spentNominal).toBeLessThanOrEqual(1)
  },
)

test('of a memory budget, layers with more bits keep fewer tokens', () => {
  expect(tokensOf('layerquant+layerquant:bits=4,from=0,to=2,rangeBits=8@128x16')).toEqual([
    256, 256, 512, 512, 512, 512, 512, 512,
  ])
})

test('a range left exact keeps a quarter of the tokens of 4 bit', () => {
  expect(tokensOf('layerquant+layerquant:bits=4,from=0,to=1,rangeBits=16@128x16').slice(0, 2)).toEqual([
    128, 512,
  ])
})

test('the qpruningkv profiles do what the released code does: 16 bit and 16 / bits times the budget in the range', () => {
  const text =
    'layerquant:profile=qpruningkv,from=0,to=2,rangeBits=8+layerquant:profile=qpruningkv,from=0,to=2@128x16'
  expect(tokensOf(text)).toEqual([256, 256, 512, 512, 512, 512, 512, 512])
  const { plan, spentNominal } = run(text)
  expect(plan.layers.slice(1, 3).map((layer) => layer.segments[0]!.key.bits)).toEqual([16, 4])
  expect(plan.layers.some((layer) => layer.simulated)).toBe(false)
  expect(spentNominal).toBe((2 * 2 + 6) / 8)
})

test('the exact form of what that code stores goes with the same tokens', () => {
  const pruner = 'layerquant:profile=qpruningkv,from=0,to=2,rangeBits=8'
  const tiles = `${pruner}+layerquant:profile=qpruningkv,from=0,to=2@128x16`
  const exact = `${pruner}+kivi:profile=qpruningkv,bits=4@128x16#0-2:keyBits=16,valueBits=16`
  expect(tokensOf(exact)).toEqual(tokensOf(tiles))
  expect(
    run(exact)
      .plan.layers.slice(1, 3)
      .map((layer) => layer.simulated?.keyBits),
  ).toEqual([undefined, 4])
})

test('the released code runs LayerQuant with nothing else; so does its profile', () => {
  const conflict = expect.objectContaining({ code: 'KV_CONFLICT' })
  expect(() => run('layerquant:profile=qpruningkv+kivi@128x16')).toThrow(conflict)
  expect(() => run('layerquant:profile=qpruningkv+none@128x16')).toThrow(conflict)
  expect(() => run('layerquant:profile=qpruningkv+layerquant:profile=qpruningkv@128KiB')).toThrow(conflict)
})
