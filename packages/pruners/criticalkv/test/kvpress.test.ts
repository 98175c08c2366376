import { readLayerVectors } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { criticalAda, criticalkv } from '../src/index.ts'

const { cases, run, tokens } = readLayerVectors(new URL('goldens/kvpress.json', import.meta.url))

test.each(cases)('equals what kvpress keeps: $kind $params', ({ kind, params, kept }) => {
  const { window, kernel } = params as { window: number; kernel: number }
  const mean = Math.floor(kept.reduce((sum, own) => sum + own.length, 0) / kept.length)
  // Their first part is one of N (1 - r), which is not rounded before.
  const slots = Math.trunc((1 - Number(params['ratio'])) * tokens * Number(params['first']))
  const first = kind === 'criticaladakv' ? Number(params['first']) : (slots + 0.5) / mean
  const prune = criticalkv({ profile: 'kvpress', window, kernel, first })
  const share = criticalAda({ guard: 'least', floor: 0.2 })
  const ours = run({ budget: { tokens: mean }, prune, ...(kind === 'criticaladakv' && { share }) }, [])
  expect(ours.kept).toEqual(kept)
})
