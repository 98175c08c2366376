import { asciiPunctuation, pythonSplit, tokenF1 } from '@qpkv/bench-kit'
import type { Segment } from './segment.ts'

/** The wide punctuation that the official scorer deletes; among those that stay: U+300A, U+FF0E and U+00B7. */
const widePunctuation = new RegExp(
  '[' +
    '\\uff01-\\uff0d\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff64' + // full-width ASCII signs, half-width marks
    '\\u3001-\\u3003\\u300b-\\u3011\\u3014-\\u301f\\u3030\\u303e\\u303f' + // CJK marks and brackets
    '\\u2013\\u2014\\u2018\\u2019\\u201b-\\u201f\\u2026\\u2027\\ufe4f' + // dashes, quotation marks, ellipsis
    ']',
  'gu',
)

/** One token: lower case, punctuation and inner white space deleted. */
function normalizeChineseToken(token: string): string {
  return pythonSplit(token.toLowerCase().replace(asciiPunctuation, '').replace(widePunctuation, '')).join('')
}

/** The tokens that QA F1 zh compares: segmented, normalized, empty ones dropped. */
export function chineseTokens(text: string, segment: Segment): string[] {
  return segment(text)
    .map(normalizeChineseToken)
    .filter((token) => token !== '')
}

/** QA F1 for Chinese, 0..1; `segment` must be jieba's precise mode with HMM for official numbers. */
export function qaF1Zh(prediction: string, reference: string, segment: Segment): number {
  return tokenF1(chineseTokens(prediction, segment), chineseTokens(reference, segment))
}
