import { holm, mcnemarExact, stratifiedMean, type Interval } from '@qpkv/bench-kit'

/** A cache by its program and name. */
export type CacheName = readonly [program: string, cache: string]

/** What a cache came to, prompt by prompt. */
export interface PromptOutcomes {
  readonly right: readonly boolean[]
  readonly kl: readonly number[]
}

/** Two caches on the same prompts; p values by McNemar (answers) and Student (divergences), corrected over all pairs. */
export interface CachePair {
  readonly first: CacheName
  readonly second: CacheName
  readonly onlyFirstRight: number
  readonly onlySecondRight: number
  readonly answersP: number
  readonly klDifference: number
  readonly klInterval: Interval
  readonly klP: number
}

/** Near in bytes, or the same rule with and without codes. */
const pairsOfCaches: readonly (readonly [CacheName, CacheName])[] = [
  [
    ['qpkv', 'keydiff+kivi:bits=4,group=32,recent=32@25%B'],
    ['transformers', 'kvpress keydiff, 25 %'],
  ],
  [
    ['qpkv', 'keydiff+kivi:bits=4,group=32,recent=32@12.5%B'],
    ['transformers', 'kvpress keydiff, 25 %'],
  ],
  [
    ['qpkv', 'keydiff+kivi:bits=4,group=32,recent=32@25%B'],
    ['qpkv', 'keydiff+none@25%B'],
  ],
  [
    ['qpkv', 'none+turboquant:bits=4,recent=32'],
    ['node-llama-cpp', 'q4_0'],
  ],
  [
    ['qpkv', 'none+turboquant:bits=4,recent=32'],
    ['transformers', 'HQQ 4 bit, groups of 32'],
  ],
  [
    ['qpkv', 'none+kivi:bits=4,group=32,recent=32'],
    ['transformers', 'HQQ 4 bit, groups of 32'],
  ],
  [
    ['qpkv', 'none+kivi:bits=2,group=32,recent=32'],
    ['transformers', 'HQQ 2 bit, groups of 32'],
  ],
]

export function comparePairs(outcomesOf: (cache: CacheName) => PromptOutcomes): CachePair[] {
  const raw = pairsOfCaches.map(([first, second]) => {
    const [a, b] = [outcomesOf(first), outcomesOf(second)]
    const onlyFirstRight = a.right.filter((right, i) => right && !b.right[i]).length
    const onlySecondRight = b.right.filter((right, i) => right && !a.right[i]).length
    const kl = stratifiedMean([a.kl.map((value, i) => value - (b.kl[i] ?? NaN))])
    return { first, second, onlyFirstRight, onlySecondRight, kl }
  })
  const corrected = holm([
    ...raw.map((pair) => mcnemarExact(pair.onlyFirstRight, pair.onlySecondRight)),
    ...raw.map(({ kl }) => kl.p),
  ])
  return raw.map(({ kl, ...pair }, i) => ({
    ...pair,
    answersP: corrected[i] ?? NaN,
    klDifference: kl.mean,
    klInterval: { low: kl.low, high: kl.high },
    klP: corrected[raw.length + i] ?? NaN,
  }))
}
