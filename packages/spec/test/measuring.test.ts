import { expect, test } from 'vitest'
import {
  defineAllocator,
  definePruner,
  integer,
  resolve,
  type KvError,
  type ResolveOptions,
} from '../src/index.ts'
import { model, prompt, window } from './resolve-support.ts'

const bySum = defineAllocator({
  name: 'by-sum',
  paper: '',
  options: { last: integer({ default: 5, min: 0, doc: 'Tokens that take no part.' }) },
  measure: ({ last }, { layer }) => ({ score: { stat: 'key-norm' }, last: last + layer }),
  allocate: (_, { layers }) => {
    const sums = layers.map(({ measured }) => measured?.reduce((sum, x) => sum + x, 0))
    if (sums.includes(undefined)) return undefined
    const all = sums.reduce((sum: number, x) => sum + x!, 0)
    const slots = layers.reduce((sum, { capacity }) => sum + capacity, 0)
    return sums.map((x) => Math.floor((slots * x!) / all))
  },
})
const run = (budget: { tokens: number } | { bytes: number }, options?: ResolveOptions) =>
  resolve({ budget, prune: window(), allocate: bySum() }, undefined, model, prompt, options)
/** Layer l gives l + 1 everywhere. */
const measured = Array.from({ length: 4 }, (_, l) => new Float32Array(2 * 2048).fill(l + 1))

test('without measurements there is a plan that measures, and one of equal shares', () => {
  const { plan, measuring } = run({ tokens: 100 })
  expect(plan.layers.map(({ tokens }) => tokens.perHead)).toEqual([100, 100, 100, 100])
  expect(measuring?.promptTokens).toBe(2048)
  expect(measuring?.layers.map(({ stages, protect }) => [stages, protect.last])).toEqual(
    [5, 6, 7, 8].map((last) => [[{ score: { stat: 'key-norm' }, share: 1 }], last]),
  )
})

test('with them the allocator shares out by what it sees, and there is nothing more to measure', () => {
  const { plan, measuring } = run({ tokens: 100 }, { measured })
  expect(measuring).toBeUndefined()
  expect(plan.layers.map(({ tokens }) => tokens.perHead)).toEqual([40, 80, 120, 160])
})

test('a budget of bytes is kept to', () => {
  const bytes = 4 * 2 * 100 * 64 * 4
  const { plan, bytes: taken } = run({ bytes }, { measured })
  const counts = plan.layers.map(({ tokens }) => tokens.perHead as number)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
  expect(new Set(counts).size).toBe(4)
  expect(taken).toBeLessThanOrEqual(bytes)
})

test('measurements of another shape are refused', () => {
  const refusal = (options: ResolveOptions) => {
    try {
      run({ tokens: 100 }, options)
    } catch (error) {
      return error as KvError
    }
    throw new Error('taken')
  }
  const shapes = [measured.slice(1), measured.map((x) => x.subarray(1))]
  for (const wrong of shapes) expect(refusal({ measured: wrong }).code).toBe('KV_METHOD')
  expect(String(refusal({ mesured: measured } as never))).toMatch(/mesured/)
})

test('equal shares where there was nothing to go by are said aloud, a plan before measuring is not', () => {
  const codes = (resolved: { readonly warnings: readonly { readonly code: string }[] }) =>
    resolved.warnings.map(({ code }) => code)
  const nothing = defineAllocator({
    name: 'nothing',
    paper: '',
    options: {},
    measure: (_, { score, last }) => score && { score, last },
    allocate: () => undefined,
  })
  const under = (prune: ReturnType<typeof window>, options?: ResolveOptions) =>
    resolve({ budget: { tokens: 100 }, prune, allocate: nothing() }, undefined, model, prompt, options)
  expect(codes(under(window()))).toEqual([])
  expect(codes(under(window(), { measured }))).toEqual(['KV_EQUAL_SHARES'])
  expect(codes(run({ tokens: 100 }, { measured }))).toEqual([])
  const ends = definePruner({
    name: 'ends',
    paper: '',
    options: {},
    layer: () => ({ score: null, protect: { last: 'rest' } }),
  })
  const { warnings } = resolve(
    { budget: { tokens: 100 }, prune: ends(), allocate: nothing() },
    undefined,
    model,
    prompt,
  )
  expect(warnings[0]!.message).toBe('nothing gives all layers equal shares here: ends scores nothing.')
})
