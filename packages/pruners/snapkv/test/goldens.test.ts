import { compareKept, readSelections, runSelection, scoreError } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { snapkv } from '../src/index.ts'

const { cases, input } = readSelections(new URL('goldens/', import.meta.url))

test.each(cases)('equals the recorded run $id', (recorded) => {
  const { window_size: window, kernel_size: kernel, pooling, max_capacity_prompt: tokens } = recorded.params
  const run = runSelection(recorded, input(recorded.input), {
    budget: { tokens },
    prune: snapkv({
      profile: recorded.reference === 'qpruningkv' ? 'qpruningkv' : 'kvcache-factory',
      window,
      kernel,
      pool: pooling === 'maxpool' ? 'max' : 'mean',
      ...(recorded.group && { group: recorded.group }),
    }),
  })
  if (recorded.pruned) expect(scoreError(run.scores, recorded.scores)).toBeLessThan(1e-4)
  for (const [h, kept] of run.kept.entries()) {
    const original = {
      kept: recorded.kept[h]!,
      scores: recorded.scores?.[h],
      unique: recorded.unique?.[h] ?? true,
    }
    expect(compareKept(kept, original, window)).toEqual([])
    // A prompt that just fills the capacity is kept whole but reordered, as the original does; a shorter one stays in order.
    if (recorded.tokens < tokens) expect([...kept]).toEqual([...recorded.kept[h]!])
  }
})

test('stores by falling score, then the window, under the profiles', () => {
  const recorded = cases.find((c) => c.unique?.every(Boolean))!
  const { window_size: window, kernel_size: kernel, max_capacity_prompt: tokens } = recorded.params
  const prune = snapkv({ profile: 'qpruningkv', window, kernel, pool: 'mean' })
  const run = runSelection(recorded, input(recorded.input), { budget: { tokens }, prune })
  for (const [h, kept] of run.kept.entries()) expect([...kept]).toEqual([...recorded.kept[h]!])
})

test('a swapped score is noticed', () => {
  const recorded = cases.find((c) => c.unique?.every(Boolean))!
  const kept = recorded.kept[0]!.slice()
  const dropped = [...Array(recorded.tokens).keys()].find((t) => !kept.includes(t))!
  kept[0] = dropped
  const original = { kept: recorded.kept[0]!, scores: recorded.scores?.[0], unique: true }
  expect(compareKept(kept, original, recorded.params.window_size)).not.toEqual([])
})
