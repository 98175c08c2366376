import { expect, test } from 'vitest'
import {
  checkSpec,
  createRegistry,
  definePruner,
  integer,
  KvError,
  loadSpec,
  none,
  resolve,
} from '../src/index.ts'
import { upgradeSpec } from '../src/spec/load-spec.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }

test('methods default to none, nothing else is filled in', () => {
  expect(checkSpec({})).toEqual({ specVersion: 2, prune: { method: 'none' }, quantize: { method: 'none' } })
  expect(none()).toEqual({ method: 'none' })
})

test.each([
  [null, 'the spec'],
  [{ bugdet: {} }, 'budget'],
  [{ specVersion: 3 }, 'specVersion'],
  [{ allocate: 'pyramid' }, 'allocate'],
  [{ share: { mehtod: 'ada' } }, 'share.method'],
  [{ layers: [{ from: 1, keyBits: 8 }] }, 'layers[0].to'],
  [{ layers: [{ tokens: [] }] }, 'layers[0].tokens'],
  [{ layers: [{ tokens: [3, 0] }] }, 'layers[0].tokens'],
  [{ heads: 'all' }, 'heads'],
  [{ budget: {} }, 'budget'],
  [{ budget: { tokens: 1, bytes: 2 } }, 'budget'],
  [{ budget: { tokens: 1.5 } }, 'budget.tokens'],
  [{ budget: { tokens: '5' } }, 'budget.tokens'],
  [{ budget: { bytes: '5 MB' } }, 'budget.bytes'],
  [{ budget: { fraction: 0 } }, 'budget.fraction'],
  [{ budget: { byteFraction: 1.5 } }, 'budget.byteFraction'],
  [{ prune: 'snapkv' }, 'prune'],
  [{ prune: {} }, 'prune.method'],
  [{ prune: { method: 'a b' } }, 'prune.method'],
  [{ quantize: () => ({}) }, 'quantize'],
  [{ quantize: { method: 'kivi', x: () => 1 } }, 'quantize.x'],
  [{ layers: {} }, 'layers'],
  [{ layers: [{ from: 0, to: 1 }] }, 'layers[0]'],
  [{ layers: [{ from: 0, to: 1, keyBits: 5 }] }, 'layers[0].keyBits'],
  [{ layers: [{ from: -1, to: 1, keyBits: 8 }] }, 'layers[0].from'],
])('%j is refused with its path', (spec, path) => {
  try {
    checkSpec(spec)
    expect.unreachable()
  } catch (error) {
    expect(KvError.isInstance(error)).toBe(true)
    expect(`${(error as KvError).message} ${(error as KvError).hint ?? ''}`).toContain(path)
  }
})

test('overrides that contradict each other are refused, overlapping ones that agree are not', () => {
  const layers = [
    { from: 0, to: 4, keyBits: 8 },
    { from: 2, to: 6, keyBits: 4 },
  ]
  expect(() => checkSpec({ layers })).toThrow(expect.objectContaining({ code: 'KV_CONFLICT' }))
  expect(checkSpec({ layers: [layers[0], { from: 2, to: 6, valueBits: 4 }] }).layers).toHaveLength(2)
})

test('files load with their version; newer ones are refused, older ones are upgraded step by step', () => {
  expect(loadSpec('{"specVersion":1,"prune":{"method":"h2o"}}').prune).toEqual({ method: 'h2o' })
  expect(() => loadSpec('{"specVersion":3}')).toThrow(/reads up to 2/)
  expect(() => loadSpec('{}')).toThrow(/specVersion/)
  expect(() => loadSpec('{')).toThrow(/not valid JSON/)
  const steps = [
    (spec: Record<string, unknown>) => ({ ...spec, b: spec['a'] }),
    (spec: Record<string, unknown>) => ({ ...spec, c: spec['b'] }),
  ]
  expect(upgradeSpec({ specVersion: 1, a: 5 }, steps, 3)).toEqual({ specVersion: 3, a: 5, b: 5, c: 5 })
  expect(upgradeSpec({ specVersion: 3 }, steps, 3)).toEqual({ specVersion: 3 })
})

const tail = definePruner({
  name: 'tail',
  paper: '',
  options: { extra: integer({ default: 2, min: 0, max: 9, doc: 'More.' }) },
  profiles: { old: { extra: 5 } },
  layer: ({ extra }) => ({ score: { stat: 'key-norm' }, protect: { first: extra, last: 'rest' } }),
})

test('a factory value is its JSON and carries its method; JSON alone needs a registry', () => {
  const prune = tail({ extra: 3 })
  expect(JSON.stringify(prune)).toBe('{"method":"tail","extra":3}')
  expect(prune).toEqual({ method: 'tail', extra: 3 })
  const budget = { tokens: 10 }
  const { plan } = resolve({ budget, prune }, undefined, model, { tokens: 100 })
  expect(plan.layers[0]!.protect).toEqual({ first: 3, last: 7 })
  const json = JSON.parse(JSON.stringify(prune))
  expect(resolve({ budget, prune: json }, createRegistry([tail]), model, { tokens: 100 }).plan).toEqual(plan)
  expect(() => resolve({ budget, prune: json }, undefined, model, { tokens: 100 })).toThrow(
    expect.objectContaining({ code: 'KV_UNKNOWN_METHOD' }),
  )
  // Through a checked (copied and frozen) spec as well.
  expect(resolve(checkSpec({ budget, prune }), undefined, model, { tokens: 100 }).plan).toEqual(plan)
})

test('options are checked where they are written', () => {
  expect(() => tail({ extra: 10 })).toThrow(/prune.extra.*10/)
  expect(() => tail({ extr: 1 } as never)).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('extra') }),
  )
  expect(() => tail({ profile: 'new' } as never)).toThrow(/prune.profile/)
})

test('the types of a factory know its options and profiles', () => {
  // @ts-expect-error a text is no number
  expect(() => tail({ extra: '3' })).toThrow(KvError)
  // @ts-expect-error there is no such option
  expect(() => tail({ extar: 3 })).toThrow(KvError)
  // @ts-expect-error there is no such profile
  expect(() => tail({ profile: 'new' })).toThrow(KvError)
})

test('a profile sets defaults, given options win', () => {
  const first = (prune: ReturnType<typeof tail>) =>
    resolve({ budget: { tokens: 20 }, prune }, undefined, model, { tokens: 100 }).plan.layers[0]!.protect
      .first
  expect(first(tail())).toBe(2)
  expect(first(tail({ profile: 'old' }))).toBe(5)
  expect(first(tail({ profile: 'old', extra: 1 }))).toBe(1)
})

test('an unknown method suggests the nearest name and knows the other role', () => {
  const registry = createRegistry([tail])
  const hint = (spec: object) => {
    try {
      resolve(spec, registry, model, { tokens: 10 })
      return undefined
    } catch (error) {
      return (error as KvError).hint
    }
  }
  expect(hint({ prune: { method: 'tial' } })).toContain('tail')
  expect(hint({ quantize: { method: 'tail' } })).toContain('is a pruner: prune, not quantize')
  expect(() =>
    createRegistry([
      tail,
      definePruner({
        name: 'tail',
        paper: '',
        options: {},
        layer: () => ({ score: null, protect: {} }),
      }),
    ]),
  ).toThrow(expect.objectContaining({ code: 'KV_CONFLICT' }))
})
