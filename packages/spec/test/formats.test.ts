import { expect, test } from 'vitest'
import { checkFormat, packedFormat } from '../src/index.ts'

const withLevels = (codebook: readonly number[]) =>
  packedFormat({ bits: 2, scalePer: 'token', group: 32, levels: { codebook } })

test('a codebook has 2^bits levels from -1 to 1, ascending', () => {
  const check = (codebook: readonly number[]) => () => checkFormat(withLevels(codebook), 64, 'format')
  expect(check([-1, -0.2, 0.2, 1])).not.toThrow()
  expect(check([0, 0, 0, 0])).not.toThrow()
  expect(check([-1, 0, 1])).toThrow(/levels\.codebook.*4 finite levels in ascending order/)
  expect(check([-1, 0.2, 0.1, 1])).toThrow(/levels\.codebook/)
  expect(check([-1, 0, Number.NaN, 1])).toThrow(/levels\.codebook/)
  for (const beyond of [1.0001, 9])
    expect(check([-0.5, 0, 0.5, beyond])).toThrow(
      new RegExp(`levels\\.codebook.*levels from -1 to 1.*${beyond}|${beyond}.*levels from -1 to 1`),
    )
  expect(check([-9, 0, 0.5, 1])).toThrow(/-9/)
})
