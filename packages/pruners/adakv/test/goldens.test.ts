import { compareKept, readSelections, runSelection } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { adakv } from '../src/index.ts'

const { cases, input } = readSelections(new URL('goldens/', import.meta.url))

test.each(cases)('equals the recorded run $id', (recorded) => {
  const { window_size: window, kernel_size: kernel, max_capacity_prompt: tokens } = recorded.params
  const run = runSelection(recorded, input(recorded.input), {
    budget: { tokens },
    prune: adakv({ profile: 'kvcache-factory', window, kernel }),
  })
  expect(run.kept.map(({ length }) => length)).toEqual(recorded.keptCount)
  // Pooled scores were not recorded: by ours, both kept sets must be a best one.
  for (const [h, kept] of run.kept.entries()) {
    const original = { kept: recorded.kept[h]!, scores: run.scores[h], unique: false }
    expect(compareKept(kept, original, window)).toEqual([])
    expect(compareKept(original.kept, original, window)).toEqual([])
  }
})

test('a floor of 1 is equal parts; by default the sum is exact and every head keeps its floor', () => {
  const recorded = cases[0]!
  const { window_size: window, max_capacity_prompt: tokens } = recorded.params
  const counts = (floor: number) =>
    runSelection(recorded, input(recorded.input), {
      budget: { tokens },
      prune: adakv({ window, floor }),
    }).kept.map(({ length }) => length)
  expect(counts(1)).toEqual([tokens, tokens, tokens, tokens])
  const shared = counts(0.5)
  expect(shared.reduce((sum, n) => sum + n, 0)).toBe(4 * tokens)
  expect(Math.min(...shared)).toBeGreaterThanOrEqual(window + (tokens - window) / 2)
  expect(new Set(shared).size).toBeGreaterThan(1)
})
