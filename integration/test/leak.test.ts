import { expect, test } from 'vitest'
import { measureLeak } from '../src/leak.ts'

test.each(['dispose', 'collect'] as const)(
  'memory of contexts comes back: %s',
  async (ending) => {
    const { before, after, cacheBytes } = await measureLeak({ contexts: 60, ending, promptTokens: 700 })
    expect(cacheBytes).toBeGreaterThan(40 * 2 ** 20) // as much as a leak would show
    expect(after - before).toBeLessThan(cacheBytes / 4)
  },
  120_000,
)
