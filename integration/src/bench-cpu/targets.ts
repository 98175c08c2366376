import type { Target } from './row.ts'

/** What is asked of the 1B shape at equal weight bytes, by instruction set; the peer's figure over ours. */
const targets = {
  'prefill 512, 4-bit weights': { avx2: [1.3, 1.7], avx512: [1.8, 2.2] },
  'prefill 512, 8-bit weights': { avx2: [1.4, 1.8], avx512: [2.5, 3.3] },
  'prefill 8,192, 4-bit weights': { avx2: [1.5, 2.0], avx512: [2.5, 3.5] },
  'prefill 8,192, 4-bit weights and cache': { avx2: [3, 5], avx512: [8, 15] },
  'decode at 512, 4-bit weights': { avx2: [1.0, 1.2], avx512: [1.0, 1.3] },
  'decode at 8,192, 16-bit cache': { avx2: [1.4, 1.4], avx512: [2.0, 2.0] },
  'decode at 8,192, 4-bit cache': { avx2: [1.7, 1.7], avx512: [2.4, 2.4] },
  'decode at 8,192, pruned to 1,024 at 4 bit': { avx2: [1.9, 1.9], avx512: [2.7, 2.7] },
  '8 streams at once, 4-bit weights': { avx2: [1.1, 1.5], avx512: [1.3, 2] },
  'cold start to the first token': { avx2: [1 / 0.4, 1 / 0.2], avx512: [1 / 0.3, 1 / 0.15] },
  'peak memory, 4-bit weights': { avx2: [1 / 0.65, 1 / 0.55], avx512: [1 / 0.65, 1 / 0.55] },
} as const satisfies Record<string, Record<string, Target>>

export function targetOf(name: string, table: string): Target | undefined {
  // Both modes are held against the same figures.
  const row: Readonly<Record<string, Target>> | undefined = (
    targets as Record<string, Record<string, Target>>
  )[name.replace(', bf16-fast', '')]
  return row?.[table]
}
