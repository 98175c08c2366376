import { KvError } from '@qpkv/spec'
import { formatTemplate, sortedUnique } from '../python/python-text.ts'
import type { Draft } from './draft.ts'
import { freshShuffle, type GeneratorContext } from './generator-context.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const WORD_LENGTH = 6
/** scipy's zeta(2.0) */
const ZETA_2 = 1.6449340668482264

/** Draws the samples of fwe; unlike the other tasks it sizes a text by the number of coded words. */
export interface FrequentWordsRun {
  /** A sample of at most the length; each call draws a new vocabulary. */
  make(): Draft
  lengthOf(text: string): number
}

/** Frequent words extraction: coded words whose counts follow a zeta law; the most frequent one is noise. */
export function frequentWordsRun(context: GeneratorContext): FrequentWordsRun {
  // Only the current scripts take the tokens to generate off the length.
  const limit = context.scripts === 'current' ? context.budget - context.newTokens : context.budget
  const vocabularySize = Math.floor(limit / 50)
  const step = Math.floor(limit / 32)
  if (vocabularySize < 4) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `fwe needs room for four coded words; ${limit} tokens give ${vocabularySize}.`,
      {
        hint: 'Ask for a length of 250 or more.',
      },
    )
  }
  const size = largestSize(context, drawVocabulary(context, vocabularySize), limit, step)
  return {
    make: () => {
      const vocabulary = drawVocabulary(context, vocabularySize)
      let words = size
      let text = writeText(context, vocabulary, words)
      while (context.tokens(text) > limit && words > 0) {
        words -= step
        text = writeText(context, vocabulary, words)
      }
      return { text, answers: vocabulary.slice(1, 4) }
    },
    lengthOf: (text) => context.tokens(text) + context.newTokens,
  }
}

/** One step below the first size whose text reaches the limit. */
function largestSize(
  context: GeneratorContext,
  vocabulary: readonly string[],
  limit: number,
  step: number,
): number {
  let words = Math.floor(limit / WORD_LENGTH)
  while (context.tokens(writeText(context, vocabulary, words)) < limit) words += step
  return words - step
}

function drawVocabulary(context: GeneratorContext, size: number): string[] {
  const drawWord = (): string => context.random.choices(LETTERS, WORD_LENGTH).join('')
  const drawn = Array.from({ length: size }, drawWord)
  while (new Set(drawn).size < size) drawn.push(drawWord())
  const vocabulary = freshShuffle(context.seed, sortedUnique(drawn))
  vocabulary[0] = '...'
  return vocabulary
}

function writeText(context: GeneratorContext, vocabulary: readonly string[], size: number): string {
  const words = vocabulary.flatMap((word, i) => {
    const count = Math.trunc((size * (1 / ((i + 1) * (i + 1)))) / ZETA_2)
    return Array.from({ length: Math.max(0, count) }, () => word)
  })
  const { template, answerPrefix } = context.assets.templates.tasks.freq_words_extraction
  const slots = { context: freshShuffle(context.seed, words).join(' '), query: '' }
  return formatTemplate(template + answerPrefix, slots)
}
