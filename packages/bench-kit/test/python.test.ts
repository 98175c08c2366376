import { expect, test } from 'vitest'
import { pythonRound, pythonSplit, pythonStrip } from '../src/index.ts'

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

test('white space is what CPython calls white space', () => {
  expect(pythonSplit('\u001ca\u0085b\u00a0c\u2028d ')).toEqual(['a', 'b', 'c', 'd'])
  expect(pythonSplit('a\ufeffb\u200bc\u180ed')).toEqual(['a\ufeffb\u200bc\u180ed'])
  expect(pythonSplit(' \n')).toEqual([])
  expect(pythonStrip('\u001f x\u00a0')).toBe('x')
})
