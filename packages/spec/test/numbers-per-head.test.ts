import { expect, test } from 'vitest'
import { defineAllocator, definePruner, resolve, type KvError, type Selection } from '../src/index.ts'
import { model, prompt } from './resolve-support.ts'

const uneven = defineAllocator({
  name: 'uneven',
  paper: '',
  options: {},
  allocate: (_, { layers }) => layers.map(({ capacity }) => [capacity + 10, capacity - 10]),
})
const run = (selection: Selection) => {
  const pruner = definePruner({ name: 'test', paper: '', options: {}, layer: () => selection })
  const spec = { budget: { tokens: 100 }, prune: pruner(), allocate: uneven() }
  return resolve(spec, undefined, model, prompt).plan
}
const one: Selection = { score: { stat: 'key-norm' }, protect: { last: 4 } }

test('heads may have numbers of their own', () => {
  expect(run(one).layers.map(({ tokens }) => tokens)).toEqual(
    Array.from({ length: 4 }, () => ({ perHead: [110, 90], pool: 'head', floor: 0 })),
  )
})

test.each([
  ['fifo', { ...one, evict: 'fifo' }],
  ['eviction by score', { ...one, evict: { by: { stat: 'key-norm' } } }],
  ['cache positions', { ...one, positions: 'cache' }],
] as const)('beside %s they are refused before anything runs', (_, selection) => {
  let caught: KvError | undefined
  try {
    run(selection)
  } catch (error) {
    caught = error as KvError
  }
  expect(caught?.code).toBe('KV_UNSUPPORTED')
  expect(caught?.message).toMatch(/layer 0: tokens\.perHead/)
})
