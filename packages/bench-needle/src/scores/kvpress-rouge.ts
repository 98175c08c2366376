import { pythonSplit, pythonStrip, rougeLShares } from '@qpkv/bench-kit'

/** Recall, precision and F as the Python package `rouge` names them. */
interface RougeTriple {
  readonly r: number
  readonly p: number
  readonly f: number
}

export interface KvpressRouge {
  readonly 'rouge-1': RougeTriple
  readonly 'rouge-2': RougeTriple
  readonly 'rouge-l': RougeTriple
}

/**
 * kvpress's needle score: `rouge` 1.0.1 called with (needle, answer), the needle without its newlines, so that the needle is the "hypothesis" and p
 * and r are swapped against the usual reading. Null where the package raises (a text without any sentence).
 */
export function kvpressRouge(needle: string, answer: string): KvpressRouge | null {
  const hypothesis = pythonStrip(needle)
  const shares = rougeLShares(hypothesis, answer, Infinity)
  if (!shares) return null
  return {
    'rouge-1': ngramOverlap(hypothesis, answer, 1),
    'rouge-2': ngramOverlap(hypothesis, answer, 2),
    'rouge-l': { r: shares.recall, p: shares.precision, f: shares.f },
  }
}

/** Words between dots. A piece of blanks only counts as one empty word. */
function wordsOf(text: string): string[] {
  const pieces = text.split('.').filter((piece) => piece !== '')
  return pieces.flatMap((piece) => pythonSplit(piece).join(' ').split(' '))
}

/** Overlap of the sets of n-grams over all sentences strung together. */
function ngramOverlap(hypothesis: string, reference: string, size: number): RougeTriple {
  const given = ngrams(wordsOf(hypothesis), size)
  const wanted = ngrams(wordsOf(reference), size)
  const shared = [...given].filter((gram) => wanted.has(gram)).length
  const p = given.size === 0 ? 0 : shared / given.size
  const r = wanted.size === 0 ? 0 : shared / wanted.size
  return { r, p, f: 2 * ((p * r) / (p + r + 1e-8)) }
}

function ngrams(words: readonly string[], size: number): Set<string> {
  const grams = new Set<string>()
  for (let i = 0; i + size <= words.length; i += 1) grams.add(words.slice(i, i + size).join(' '))
  return grams
}
