import { readLayerVectors } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { tova } from '../src/index.ts'

const { cases, run, tokens } = readLayerVectors(new URL('goldens/kvpress.json', import.meta.url))

test.each(cases)('equals what kvpress keeps: $params', ({ kept, scores }) => {
  const ours = run({ budget: { tokens: kept[0]!.length }, prune: tova() }, [])
  expect(ours.kept).toEqual(kept)
  for (const [head, row] of ours.scores.entries())
    for (const [t, score] of row.entries())
      expect(Math.abs(score / scores![head * tokens + t]! - 1)).toBeLessThan(1e-4)
})
