import { describe, expect, it } from 'vitest'
import { kvpressRouge } from '../../src/scores/kvpress-rouge.ts'
import { porterStem } from '../../src/scores/porter-stemmer.ts'
import { needleRougeScore, rouge1, rougeL, rougeTokens } from '../../src/scores/rouge-score.ts'
import { wordOverlap } from '../../src/scores/word-overlap.ts'

const NEEDLE =
  '\nThe best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.\n'
describe('scores of the needle', () => {
  it('count an answer without its needle part as far less than a repetition', () => {
    expect(needleRougeScore(NEEDLE, NEEDLE)).toBe(10)
    expect(needleRougeScore(NEEDLE, '')).toBe(0)
    expect(rouge1('a a b', 'a b b')).toEqual({ precision: 2 / 3, recall: 2 / 3, fmeasure: 2 / 3 })
    expect(rougeL('sit in the park', 'park the in sit').recall).toBe(1 / 4)
  })

  it('plot the share of distinct expected words, dot included', () => {
    expect(wordOverlap('Eat a sandwich and sit in Dolores Park on a sunny day.')).toBe(1)
    expect(wordOverlap('eat a sandwich and sit in dolores park on a sunny day')).toBe(10 / 11)
    expect(wordOverlap('yes', 'yes no')).toBe(0.5)
  })

  it('are null for kvpress where the package raises', () => {
    expect(kvpressRouge(NEEDLE, '...')).toBeNull()
  })

  it('stem only words above three letters, and leave letters outside a-z apart', () => {
    expect(rougeTokens('Days of naïve Sandwiches')).toEqual(['day', 'of', 'na', 've', 'sandwich'])
    expect(['dying', 'flies', 'geology', 'generally', 'sky'].map(porterStem)).toEqual([
      'die',
      'fli',
      'geolog',
      'gener',
      'sky',
    ])
  })
})
