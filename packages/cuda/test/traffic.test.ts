import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { deviceBench, executor } from './support.ts'

interface Decode {
  readonly op: string
  readonly bits: number
  readonly bytes: number
  readonly copied: number
}

// Four query heads look at every stored head: that a part is copied once for all of them, and as it is packed, is what this counts.
test.skipIf(!existsSync(deviceBench) || !existsSync(executor))(
  'decode attention copies the packed bytes and at most 5 % more',
  () => {
    const lines = execFileSync(deviceBench, [executor, '--small'], { encoding: 'utf8' }).trim().split('\n')
    const decodes = lines.map((line) => JSON.parse(line) as Decode).filter(({ op }) => op === 'decode')
    expect(new Set(decodes.map(({ bits }) => bits))).toEqual(new Set([16, 8, 4, 2]))
    for (const { bytes, copied } of decodes) {
      expect(copied).toBeGreaterThan(0.9 * bytes)
      expect(copied).toBeLessThan(1.05 * bytes)
    }
  },
  300_000,
)
