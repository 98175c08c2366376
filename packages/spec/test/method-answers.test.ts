import { describe, expect, test } from 'vitest'
import {
  createRegistry,
  defineAllocator,
  definePruner,
  defineQuantizer,
  defineSharing,
  exactFormat,
  packedFormat,
  resolve,
  type KvError,
  type Selection,
} from '../src/index.ts'
import { errorOf, model, prompt } from './resolve-support.ts'
import { simulated } from './simulated.ts'

const facts = { name: 'odd', paper: '', options: {} } as const
const pruner = (answer: object | null) =>
  definePruner({ ...facts, layer: () => answer as unknown as Selection })()
const said = (answer: object | null, more: object = {}) => {
  const { code, message, hint } = errorOf({ budget: { tokens: 9 }, prune: pruner(answer), ...more })
  return `${code} ${message} ${hint ?? ''}`
}
const norm = { stat: 'key-norm' } as const

describe('what a quantizer answers', () => {
  const four = packedFormat({ bits: 4, scalePer: 'token', group: 8 })
  const refusal = (key: object, more: object = {}) => {
    const storage = { key: { ...four, ...key }, value: four, ...more }
    const { message, hint } = errorOf({ quantize: defineQuantizer({ ...facts, format: () => storage })() })
    return `${message} ${hint ?? ''}`
  }

  test.each([
    [{ levels: { codebok: [] } }, /key\.levels\.codebok\. Did you mean codebook/],
    [{ solver: { kind: 'min-max', leest: 1 } }, /key\.solver\.leest\. Did you mean least/],
    [{ balance: { steps: 2, stepz: 3 } }, /key\.balance\.stepz\. Did you mean steps/],
    [
      { outliers: 0.1, outlierRule: { kind: 'beyond', threshold: 3, treshold: 1 } },
      /key\.outlierRule\.treshold\. Did you mean threshold/,
    ],
  ])('%j is refused by its whole path', (key, words) => {
    expect(refusal(key)).toMatch(words)
  })

  test('a proximal solver with numbers that no kernel is written for is refused', () => {
    const numbers = { kind: 'proximal', steps: 20, norm: 0.7, beta: 10, growth: 1, flat: 1e-4 }
    const key = { scalePer: 'channel', group: 32, metadata: 'f32', zero: 'float-minimum' }
    expect(refusal({ ...key, solver: { ...numbers, steps: 10 } })).toMatch(
      /segments\.solver is a proximal one/,
    )
  })

  test('a simulation is known by its fields and by the formats that say so', () => {
    const simulation = { used: () => true, roundTrip: () => undefined as never, bytes: () => 1 }
    const storage = { key: exactFormat(), value: exactFormat() }
    const silent = defineQuantizer({ ...facts, format: () => storage, simulation })
    expect(errorOf({ quantize: silent() }).message).toMatch(/coded by roundTrip\(\) and does not say so/)
    const misspelled = { ...simulation, roundTrp: 1 }
    expect(() => defineQuantizer({ ...facts, format: () => storage, simulation: misspelled })).toThrow(
      /roundTrp/,
    )
  })
})

describe('what a pruner answers', () => {
  const good = { score: norm, protect: { last: 1 } }

  test.each([
    [null, /^KV_METHOD.*an object/],
    [{ ...good, socre: 1 }, /Unknown field prune \(layer 0\)\.socre\. Did you mean score/],
    [{ ...good, observe: { what: 'key-norm' } }, /^KV_METHOD.*\.observe.*from-0\.1-to-0\.2/],
    [{ ...good, smooth: {} }, /'pool'/],
    [{ ...good, prefer: 'lowest' }, /factor: -1/],
    [{ protect: {} }, /score is missing/],
    [{ score: norm }, /protect.*received nothing.*Say \{\}/],
    [{ ...good, score: [norm] }, /a node \{ stat, … \}/],
    [{ ...good, score: { stat: 'key-nrom' } }, /^KV_UNSUPPORTED.*Did you mean key-norm/],
    [{ ...good, score: { op: 'pol', of: [norm] } }, /^KV_UNSUPPORTED.*Did you mean pool/],
    [{ ...good, score: { op: 'pool', kernal: 3, of: [norm] } }, /kernal\. Did you mean kernel/],
    [{ ...good, score: { op: 'pool', kernel: 4, of: [norm] } }, /^KV_INVALID_OPTION.*kernel/],
    [{ ...good, score: { stat: 'attention' } }, /one row per query head/],
    [{ ...good, score: { op: 'add', of: [norm, { stat: 'attention' }] } }, /mixes rows/],
    [{ ...good, stages: [] }, /a score and stages/],
    [{ protect: {}, stages: [{ score: norm, share: 0.5 }] }, /add up to 1/],
    [{ protect: {}, stages: [{ score: norm, share: 1, part: 2 }] }, /stages\[0\]\.part/],
    [{ ...good, evict: 'lowest-score' }, /^KV_UNSUPPORTED.*evict/],
    [{ ...good, evict: { by: norm, every: 0 } }, /evict\.every/],
    [{ ...good, order: 'reverse' }, /^KV_UNSUPPORTED.*order/],
    [{ ...good, positions: 'text' }, /^KV_UNSUPPORTED.*positions/],
    [{ score: norm, protect: { first: -1 } }, /^KV_METHOD.*protect\.first/],
    [{ score: norm, protect: { last: 1.5 } }, /protect\.last/],
    [{ score: norm, protect: { first: 'rest', last: 'rest' } }, /last has to be a number/],
    [{ score: norm, protect: { frist: 2 } }, /frist\. Did you mean first/],
    [{ score: norm, protect: { positions: [-2] } }, /protect\.positions/],
    [{ score: norm, protect: { positions: [2048] } }, /positions below 2048/],
    [{ score: norm, protect: { tokenIds: [7] } }, /^KV_CONFIG.*token ids/],
  ])('%j is refused by field', (answer, words) => {
    expect(said(answer)).toMatch(words)
  })

  test('a score() without one score to replace is refused', () => {
    const blind = definePruner({
      ...facts,
      layer: () => ({ score: null, protect: { last: 1 } }),
      score: (_, { scores }) => scores,
    })
    expect(errorOf({ budget: { tokens: 9 }, prune: blind() })).toMatchObject({
      code: 'KV_METHOD',
      message: expect.stringContaining('score()'),
    })
  })
})

test('protection is by number, by rest, by share, by position and by token', () => {
  const protectOf = (protect: Selection['protect'], tokenIds?: number[]) => {
    const { plan } = resolve(
      { budget: { tokens: 20 }, prune: pruner({ score: norm, protect }) },
      undefined,
      { ...model, layers: 1 },
      { tokens: 100, ...(tokenIds && { tokenIds }) },
    )
    return plan.layers[0]!.protect
  }
  expect(protectOf({})).toEqual({ first: 0, last: 0 })
  expect(protectOf({ first: 4, last: 3 })).toEqual({ first: 4, last: 3 })
  expect(protectOf({ first: 4, last: 'rest' })).toEqual({ first: 4, last: 16 })
  expect(protectOf({ first: 'rest', last: 5 })).toEqual({ first: 15, last: 5 })
  expect(protectOf({ last: { share: 0.5, beside: 2 } })).toEqual({ first: 0, last: 11 })
  const few = errorOf({
    budget: { tokens: 2 },
    prune: pruner({ score: norm, protect: { first: 2, last: 'rest' } }),
  })
  expect(few.message).toContain('at least 3')
})

describe('what else methods answer', () => {
  const falling = (result: unknown) => defineAllocator({ ...facts, allocate: () => result as never })()
  const norms = pruner({ score: norm, protect: {} })

  test.each([[[1, 2]], [[1, 2, 3, -1]], [[1, 2, 3, 0.5]], [5], [[1, 2, 3, [4]]]])(
    'an allocator that returns %j is refused',
    (result) => {
      expect(errorOf({ budget: { tokens: 9 }, prune: norms, allocate: falling(result) })).toMatchObject({
        code: 'KV_METHOD',
        message: expect.stringContaining('4 whole numbers'),
      })
    },
  )

  test.each([
    [{ pool: 'layers' }, /^KV_UNSUPPORTED.*pool/],
    [{ pool: 'layer', flor: 1 }, /Did you mean floor/],
    [{ pool: 'layer', floor: 2 }, /^KV_METHOD.*floor/],
  ])('a sharing that says %j is refused', (rule, words) => {
    const share = defineSharing({ ...facts, share: () => rule as never })()
    const { code, message, hint } = errorOf({ budget: { tokens: 9 }, prune: norms, share })
    expect(`${code} ${message} ${hint ?? ''}`).toMatch(words)
  })

  test('heads that compete need scores to compare, and a decode that drops nothing', () => {
    const share = (rule: object) =>
      defineSharing({ ...facts, share: () => ({ pool: 'layer', ...rule }) as never })()
    const said = (answer: object, rule = {}) =>
      errorOf({ budget: { tokens: 9 }, prune: pruner({ protect: {}, ...answer }), share: share(rule) })
        .message
    expect(said({ score: norm, evict: 'fifo' })).toContain('share slots')
    expect(said({ score: norm, positions: 'cache' })).toContain('share slots')
    expect(said({ score: { op: 'scale', factor: -1, of: [norm] } }, { weigh: 'top-share' })).toContain(
      'below 0',
    )
    expect(
      errorOf({ budget: { tokens: 9 }, prune: norms, share: share({}), quantize: simulated() }),
    ).toMatchObject({ code: 'KV_CONFLICT', message: expect.stringContaining('simulated') })
    // Nothing observed: nothing to compete with.
    const { plan } = resolve(
      { budget: { tokens: 9 }, prune: pruner({ score: null, protect: { last: 'rest' } }), share: share({}) },
      undefined,
      model,
      prompt,
    )
    expect(plan.layers[0]!.tokens).toEqual({ perHead: 9, pool: 'head', floor: 0 })
  })

  test.each([
    [{ group: 12 }, /^KV_METHOD.*group/],
    [{ rope: 'before' }, /^KV_METHOD.*key\.rope/],
    [{ solver: { kind: 'hqq', version: '0.2.8' } }, /^KV_UNSUPPORTED.*solver\.kind/],
    [{ solver: { kind: 'proximal', stesp: 3 } }, /Did you mean steps/],
  ])('a format with %j is refused', (extra, words) => {
    const format = packedFormat({ bits: 4, scalePer: 'token', group: 32 })
    const quantize = defineQuantizer({
      ...facts,
      format: () => ({ key: { ...format, ...extra } as never, value: format }),
    })()
    const { code, message, hint } = errorOf({ quantize })
    expect(`${code} ${message} ${hint ?? ''}`).toMatch(words)
  })

  test.each([
    [{ recnet: 3 }, /Did you mean recent/],
    [{ values: { transform: 'center' } }, /^KV_UNSUPPORTED.*transform/],
    [{ residual: { keys: 'group', values: 'token' } }, /^KV_UNSUPPORTED.*residual/],
  ])('a storage with %j is refused', (extra, words) => {
    const format = packedFormat({ bits: 4, scalePer: 'token', group: 32 })
    const quantize = defineQuantizer({
      ...facts,
      format: () => ({ key: format, value: format, ...extra }) as never,
    })()
    const { code, message, hint } = errorOf({ quantize })
    expect(`${code} ${message} ${hint ?? ''}`).toMatch(words)
  })

  test.each([
    { recent: 8 },
    { sinks: 1 },
    { keys: { rope: 'before' } },
    { residual: { keys: 'block', values: 'token' } },
  ])('a simulation that asks for %j is refused: it would be passed over', (extra) => {
    const quantize = defineQuantizer({
      ...facts,
      format: () =>
        ({
          key: exactFormat(),
          value: exactFormat(),
          simulated: { keyBits: 4, valueBits: 4 },
          ...extra,
        }) as never,
      simulation: {
        used: () => true,
        roundTrip: (_, { values }) => ({ values, bytes: 0 }),
        bytes: () => 0,
      },
    })()
    expect(errorOf({ quantize })).toMatchObject({
      code: 'KV_METHOD',
      message: expect.stringContaining(Object.keys(extra)[0]!),
    })
  })
})

test('definitions with fields that nobody reads, or without their answer, are refused', () => {
  const layer = () => ({ score: null, protect: {} }) as const
  const thrown = (work: () => unknown): KvError => {
    try {
      work()
    } catch (error) {
      return error as KvError
    }
    throw new Error('made')
  }
  expect(thrown(() => definePruner({ ...facts, layer, profile: {} } as never))).toMatchObject({
    code: 'KV_METHOD',
    hint: expect.stringContaining('profiles'),
  })
  expect(thrown(() => defineAllocator({ ...facts } as never)).message).toContain(
    'lacks the function allocate',
  )
  // @ts-expect-error a result has no such field
  definePruner({ ...facts, layer: () => ({ score: null, protect: {}, smooth: 7 }) })
  // @ts-expect-error a storage has no such field
  defineQuantizer({ ...facts, format: () => ({ key: exactFormat(), value: exactFormat(), recnet: 1 }) })
})

test('methods of another contract are refused, and the guide is named', () => {
  const old = thrownBy(() => definePruner({ ...facts, select: () => ({}) } as never))
  expect(old).toMatchObject({ code: 'KV_CONTRACT', hint: expect.stringContaining('from-0.1-to-0.2') })
  const method = Object.assign(() => ({ method: 'old' }), { role: 'pruner', contract: 1 })
  expect(thrownBy(() => createRegistry([method as never])).code).toBe('KV_CONTRACT')
  const later = Object.assign(() => ({ method: 'new' }), { role: 'pruner', contract: 3 })
  expect(thrownBy(() => createRegistry([later as never])).hint).toContain('newer qpkv')
})

function thrownBy(work: () => unknown): KvError {
  try {
    work()
  } catch (error) {
    return error as KvError
  }
  throw new Error('nothing was thrown')
}
