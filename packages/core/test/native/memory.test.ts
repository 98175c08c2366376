import { expect, test } from 'vitest'
import { referenceModel, runProgram } from './support/run-program.ts'

// The program reads /proc; elsewhere there is nothing to measure with.
const kinds = process.platform === 'linux' ? (['exact', 'packed'] as const) : []

test.each(kinds)(
  'resident memory grows by the counted bytes and goes back on dispose: %s',
  async (kind) => {
    const { grown, counted, left } = (await runProgram('rss-slope.ts', referenceModel, '200', kind)) as {
      grown: number
      counted: number
      left: number
    }
    expect(counted).toBeGreaterThan(200 * 2 ** 21)
    expect(grown / counted).toBeGreaterThan(0.95)
    expect(grown / counted).toBeLessThan(1.05)
    expect(left / counted).toBeLessThan(0.05)
  },
  180_000,
)
