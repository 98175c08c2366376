import { readLayerVectors } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { expectedAttention } from '../src/index.ts'

const { cases, run, tokens } = readLayerVectors(new URL('goldens/kvpress.json', import.meta.url))

test.each(cases)('equals what kvpress keeps: $params', ({ params, kept, scores }) => {
  const { ratio: _, ...options } = params
  const prune = expectedAttention({ profile: 'kvpress', ...options })
  const ours = run({ budget: { tokens: kept[0]!.length }, prune }, [])
  expect(ours.kept).toEqual(kept)
  for (const [head, row] of ours.scores.entries())
    for (let t = 4; t < tokens; t++)
      expect(Math.abs(row[t]! / scores![head * tokens + t]! - 1)).toBeLessThan(1e-4)
})
