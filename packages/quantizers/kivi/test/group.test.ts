import { createRegistry, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kivi } from '../src/index.ts'

/** The value format of a head of 16 channels. */
const valueOf = (options: Parameters<typeof kivi>[0]) => {
  const model = { layers: 1, queryHeads: 2, kvHeads: 2, headDim: 16 }
  const { plan } = resolve({ quantize: kivi(options) }, createRegistry(), model, { tokens: 200 })
  return plan.layers[0]!.segments.find(({ role }) => role === 'packed')?.value
}

test('the default group is at most a head wide', () => {
  expect(valueOf({ bits: 4 })).toMatchObject({ group: 16 })
})

test.each([64, 128] as const)('a group of %i channels is refused where a head has 16', (group) => {
  expect(() => valueOf({ bits: 4, group })).toThrow(/at most the 16 channels of a head for quantize.group/)
})
