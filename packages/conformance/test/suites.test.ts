import {
  createRegistry,
  defineAllocator,
  definePruner,
  defineQuantizer,
  integer,
  packedFormat,
  type Selection,
} from '@qpkv/spec'
import { expect, test } from 'vitest'
import { testPairs, testPruner, testQuantizer } from '../src/index.ts'

/** Runs a suite and returns the names of the tests that failed. */
function failures(suite: (run: (name: string, body: () => void) => void) => void): string[] {
  const failed: string[] = []
  suite((name, body) => {
    try {
      body()
    } catch {
      failed.push(name)
    }
  })
  return failed
}

const last = (n: number) =>
  ({ score: { stat: 'key-norm' }, protect: { last: n } }) as const satisfies Selection
const good = {
  name: 'good',
  paper: 'https://arxiv.org/abs/0000.00000',
  options: { last: integer({ default: 9, min: 1, max: 99, doc: 'Newest tokens.' }) },
  layer: ({ last: n }: { last: number }) => last(n),
} as const
const packed = (bits: 8 | 4, extra = {}) => packedFormat({ bits, scalePer: 'token', group: 8, ...extra })

const greedy = defineAllocator({
  name: 'greedy',
  paper: '',
  options: {},
  allocate: (_, { layers }) => layers.map((l) => l.capacity * 2),
})

test('a good pruner passes', () => {
  expect(failures((run) => testPruner({ test: run, pruner: definePruner(good) }))).toEqual([])
})

test.each([
  ['keeps to every kind of budget', { allocate: () => greedy() }],
  ['gives the same plan again', { layer: () => last(1 + Math.floor(Math.random() * 9)) }],
  ['always keeps the closing tokens', { layer: () => last(1) }],
  ['keeps to every kind of budget', { layer: () => ({ ...last(9), smooth: { kernel: 7 } }) as never }],
  [
    'replaces scores',
    {
      score: () => {
        throw new Error('broken')
      },
    },
  ],
  ['replaces scores', { score: () => new Float32Array(3) }],
])('a pruner that breaks "%s" is caught', (words, broken) => {
  const names = failures((run) => testPruner({ test: run, pruner: definePruner({ ...good, ...broken }) }))
  expect(names.some((name) => name.includes(words))).toBe(true)
})

test('a pruner without documentation, or with a default out of its own range, is caught', () => {
  const options = { last: integer({ default: 0, min: 1, max: 99, doc: '' }) }
  const names = failures((run) => testPruner({ test: run, pruner: definePruner({ ...good, options }) }))
  expect(names.some((name) => name.includes('documents every option'))).toBe(true)
})

test('a good quantizer passes, one that reads back badly or forgets its bits is caught', () => {
  const quantizer = (key: ReturnType<typeof packed>) =>
    defineQuantizer({ name: 'q', paper: '', options: {}, format: () => ({ key, value: packed(4) }) })
  const failed = (key: ReturnType<typeof packed>) =>
    failures((run) => testQuantizer({ test: run, quantizer: quantizer(key) }))
  expect(failed(packed(4))).toEqual([])
  const wrongLevels = packed(4, { levels: { codebook: Array.from({ length: 16 }, (_, i) => i / 16) } })
  expect(failed(wrongLevels).some((name) => name.includes('reads back close'))).toBe(true)
  expect(failed(packed(4, { group: 12 })).some((name) => name.includes('stores every shape'))).toBe(true)
})

test('pairs that never resolve are caught', () => {
  const never = definePruner({
    ...good,
    name: 'never',
    layer: () => ({ ...last(1), order: 'reverse' as never }),
  })
  const names = failures((run) => testPairs({ test: run, registry: createRegistry([never]) }))
  expect(names).toContain('never + none')
  expect(names).not.toContain('none + none')
})
