import { expect, test } from 'vitest'
import { digitRuns } from '../src/python/digits.ts'
import { numpyMean } from '../src/python/numpy-mean.ts'
import { numpyRound, pythonRound } from '../src/python/round.ts'
import { pythonSplit, pythonStrip } from '../src/python/split.ts'

test('rounding goes by the exact value, ties to even', () => {
  expect(pythonRound(12.125, 2)).toBe(12.12)
  expect(pythonRound(12.375, 2)).toBe(12.38)
  expect(pythonRound(2.675, 2)).toBe(2.67)
  expect(pythonRound(0.5)).toBe(0)
  expect(pythonRound(1.5)).toBe(2)
  expect(pythonRound(-2.5)).toBe(-2)
  expect(pythonRound(100, 2)).toBe(100)
  expect(pythonRound(5e-324, 2)).toBe(0)
  expect(pythonRound(NaN, 2)).toBeNaN()
})

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

test('white space is what CPython calls white space', () => {
  expect(pythonSplit('\u001ca\u0085b\u00a0c\u2028d ')).toEqual(['a', 'b', 'c', 'd'])
  expect(pythonSplit('a\ufeffb\u200bc\u180ed')).toEqual(['a\ufeffb\u200bc\u180ed'])
  expect(pythonSplit(' \n')).toEqual([])
  expect(pythonStrip('\u001f x\u00a0')).toBe('x')
})

test('digits of every script count', () => {
  expect(digitRuns('a12 \uff11\uff12 \u0663 \u00b2')).toEqual(['12', '\uff11\uff12', '\u0663'])
})
