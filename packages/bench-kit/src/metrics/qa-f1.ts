import { pythonSplit } from '../python/white-space.ts'
import { tokenF1 } from './token-f1.ts'

/** The 32 ASCII punctuation characters; typographic quotes and dashes stay. */
export const asciiPunctuation = /[!-/:-@[-`{-~]/g

/** `\b` of Python: a word character is any letter or number of Unicode or "_"; combining marks are not. */
const article = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu

/** Lower case, punctuation deleted, the words a, an, the blanked, white space collapsed. */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replace(asciiPunctuation, '')
  return pythonSplit(bare.replace(article, ' ')).join(' ')
}

/** QA F1 of LongBench (https://arxiv.org/abs/2308.14508): F1 over the words of the normalized texts, 0..1. */
export function qaF1(prediction: string, reference: string): number {
  return tokenF1(pythonSplit(normalizeAnswer(prediction)), pythonSplit(normalizeAnswer(reference)))
}
