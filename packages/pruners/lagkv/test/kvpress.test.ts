import { readLayerVectors } from '@qpkv/conformance'
import { expect, test } from 'vitest'
import { lagkv } from '../src/index.ts'

const { cases, run, tokens } = readLayerVectors(new URL('goldens/kvpress.json', import.meta.url))

test.each(cases)('equals what kvpress keeps: $params', ({ params, kept, scores }) => {
  const { ratio: _, ...options } = params
  const ours = run(
    { budget: { tokens: kept[0]!.length }, prune: lagkv({ profile: 'kvpress', ...options }) },
    [],
  )
  for (const [head, row] of ours.scores.entries()) {
    const theirs = scores!.subarray(head * tokens, (head + 1) * tokens)
    for (const [t, score] of row.entries()) expect(Math.abs(score - theirs[t]!)).toBeLessThan(1e-5)
    // Ranks tie between partitions; what differs must be worth the same.
    const [own, known] = [new Set(ours.kept[head]), new Set(kept[head])]
    expect(own.size).toBe(known.size)
    const worth = (list: Set<number>, other: Set<number>) =>
      [...list]
        .filter((t) => !other.has(t))
        .map((t) => Math.round(1e4 * theirs[t]!))
        .sort((a, b) => a - b)
    expect(worth(own, known)).toEqual(worth(known, own))
  }
})
