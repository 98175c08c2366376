import { expect, test } from 'vitest'
import { digitRuns } from '../src/python/digits.ts'
import { numpyMean } from '../src/python/numpy-mean.ts'
import { numpyRound } from '../src/python/numpy-round.ts'

test('numpy rounds the scaled product instead', () => {
  expect(numpyRound(2.675, 2)).toBe(2.68)
  expect(numpyRound(12.125, 2)).toBe(12.12)
  expect(numpyRound(12.135, 2)).toBe(12.14)
})

test('numpy sums eight lanes and blocks, which shows in the last bit', () => {
  const values = Array.from({ length: 300 }, (_, at) => ((at * 37) % 101) / 100)
  // numpy 2.4: float(np.mean([((i * 37) % 101) / 100 for i in range(300)]))
  expect(numpyMean(values)).toBe(0.49893333333333334)
  expect(numpyMean([])).toBeNaN()
})

test('digits of every script count', () => {
  expect(digitRuns('a12 \uff11\uff12 \u0663 \u00b2')).toEqual(['12', '\uff11\uff12', '\u0663'])
})
