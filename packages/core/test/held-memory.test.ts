import { modelFolder } from '@qpkv/reference-model'
import { statistics } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { runProgram } from './native/support/run-program.ts'

interface Row {
  readonly name: string
  readonly tokens: number
  readonly estimated: number
  readonly measured: number
}
const MiB = 2 ** 20

// What the op tables hold is the CPU's; another backend has memory of its own.
describe.skipIf(process.env['QPKV_CORE_BACKEND'])('the estimate of a prefill', () => {
  it.each([
    ['bf16', '300,700,2500'],
    ['bf16-fast', '700'],
    ['f32', '700'],
  ])(
    'is what it takes, whatever is measured (%s): at most 2 MiB and a tenth more, never less',
    async (precision, lengths) => {
      const rows = (await runProgram('held-memory.ts', modelFolder, lengths, precision)) as Row[]
      expect(new Set(rows.map(({ name }) => name)).size).toBeGreaterThan(Object.keys(statistics).length + 5)
      for (const { name, tokens, estimated, measured } of rows) {
        const what = `${name}, ${tokens} tokens: ${(measured / MiB).toFixed(1)} MiB`
        expect(estimated, what).toBeGreaterThanOrEqual(measured)
        expect(estimated, what).toBeLessThan(1.1 * measured + 2 * MiB)
      }
      // What each keeps shows: a test of a spec that measures nothing would prove nothing.
      const of = (wanted: string) => rows.filter(({ name }) => name === wanted).at(-1)?.measured ?? NaN
      expect(of('kept queries')).toBeGreaterThan(1.05 * of('h2o'))
      expect(of('all layers')).toBeGreaterThan(1.2 * of('h2o'))
    },
    300_000,
  )
})
