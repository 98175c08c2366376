import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder, needleCases } from '@qpkv/reference-model'
import { planBytes, segmentTokens } from '@qpkv/spec'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportTiles } from '../../packages/core/test/support/probe.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1, methods: registry })
})
afterAll(() => model.dispose())

const [sample] = needleCases({
  seed: 'tiers',
  tokens: 1600,
  keys: 4,
  samples: 1,
  countTokens: (text) => text.length / 3,
  protocol: 'query-agnostic',
})
const prefill = (compression: string) => model.prefill(sample!.prompt, { compression, onWarning: () => {} })

test.each([
  'kvzip:last=1,sinks=1~rate-distortion+turboquant:recent=0@3%B#tiers=8,4,3,2',
  'kvzip~rate-distortion:power=1+hadamard:recent=16@8%B#tiers=16,4,2',
  'dropkv:window=16~rate-distortion:across=layer+turboquant:recent=32,sinks=16@25%B#tiers=4,2',
  'keydiff:last=8~rate-distortion:across=head+kvarn@30%B#heads=query',
])('%s: counters are the bytes of the plan, within the budget', async (text) => {
  await using context = await prefill(text)
  const { plan, bytes, spentBytes, kept } = context.report
  expect(bytes.allocated).toBe(bytes.planned)
  expect(planBytes(plan, model.facts).total).toBe(bytes.planned)
  expect(spentBytes).toBeLessThanOrEqual(1)
  expect(spentBytes).toBeGreaterThan(0.9)
  for (const [l, layer] of plan.layers.entries())
    for (const [head, tokens] of kept[l]!.entries()) {
      const planned = segmentTokens(layer, 'key', tokens, head)
      const held = layer.segments.map(() => 0)
      // Tiers of one width cannot be told apart; here all differ.
      for (const part of exportTiles(context, l, head).key) {
        const at = layer.segments.findIndex(
          ({ key, role }, i) => key.bits === part.bits && (role !== 'sinks' || held[i]! < planned[i]!),
        )
        held[at]! += part.tokens
      }
      expect(held.reduce((sum, n) => sum + n)).toBe(tokens)
      for (const [i, { role }] of layer.segments.entries())
        if (role === 'packed' && layer.segments[i]!.key.bits !== 16) expect(held[i]).toBe(planned[i])
    }
  // Later tokens go on from it.
  await context.append([7, 8, 9])
  expect((await context.logits()).every(Number.isFinite)).toBe(true)
})

test('heads and layers keep different numbers of tokens, and heads differ in their tiers', async () => {
  await using context = await prefill(
    'kvzip:last=1,sinks=1~rate-distortion+turboquant:recent=0@6%B#tiers=4,3,2',
  )
  const { kept, plan } = context.report
  expect(new Set(kept.flat()).size).toBeGreaterThan(2)
  const counts = plan.layers.flatMap(({ segments }) =>
    segments.flatMap(({ tokens }) => (typeof tokens === 'object' && 'counts' in tokens ? tokens.counts : [])),
  )
  expect(new Set(counts).size).toBeGreaterThan(2)
})

test('tiers without shares need an allocator that counts them', async () => {
  await expect(prefill('keydiff+turboquant@6%B#tiers=4,2')).rejects.toThrow(
    /none does not say how many tokens each tier holds/,
  )
})
