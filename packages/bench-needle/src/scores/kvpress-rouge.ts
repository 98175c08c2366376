import { pythonSplit, pythonStrip } from '@qpkv/bench-kit'

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
  const hypothesis = sentences(pythonStrip(needle))
  const reference = sentences(answer)
  if (hypothesis.length === 0 || reference.length === 0) return null
  return {
    'rouge-1': ngramOverlap(hypothesis, reference, 1),
    'rouge-2': ngramOverlap(hypothesis, reference, 2),
    'rouge-l': unionLcs(hypothesis, reference),
  }
}

/** Pieces between dots, as lists of words. A piece of blanks only counts as one empty word. */
function sentences(text: string): string[][] {
  const pieces = text.split('.').filter((piece) => piece !== '')
  return pieces.map((piece) => pythonSplit(piece).join(' ').split(' '))
}

/** Overlap of the sets of n-grams over all sentences strung together. */
function ngramOverlap(
  hypothesis: readonly string[][],
  reference: readonly string[][],
  size: number,
): RougeTriple {
  const given = ngrams(hypothesis.flat(), size)
  const wanted = ngrams(reference.flat(), size)
  return triple([...given].filter((gram) => wanted.has(gram)).length, given.size, wanted.size)
}

function ngrams(words: readonly string[], size: number): Set<string> {
  const grams = new Set<string>()
  for (let i = 0; i + size <= words.length; i += 1) grams.add(words.slice(i, i + size).join(' '))
  return grams
}

/** Words on one longest common subsequence of any pair of sentences, collected in one set. */
function unionLcs(hypothesis: readonly string[][], reference: readonly string[][]): RougeTriple {
  const union = new Set<string>()
  for (const wanted of reference) {
    for (const given of hypothesis) {
      for (const word of lcsWords(wanted, given)) union.add(word)
    }
  }
  return triple(union.size, new Set(hypothesis.flat()).size, new Set(reference.flat()).size)
}

/** Words of the subsequence that backtracking from the end finds; up only if the table is strictly larger there. */
function lcsWords(wanted: readonly string[], given: readonly string[]): string[] {
  const width = given.length + 1
  const table = new Uint32Array((wanted.length + 1) * width) // [wanted + 1, given + 1]
  for (let i = 1; i <= wanted.length; i += 1) {
    for (let j = 1; j < width; j += 1) {
      const above = table[(i - 1) * width + j] ?? 0
      const left = table[i * width + j - 1] ?? 0
      const diagonal = table[(i - 1) * width + j - 1] ?? 0
      table[i * width + j] = wanted[i - 1] === given[j - 1] ? diagonal + 1 : Math.max(above, left)
    }
  }
  const words: string[] = []
  let i = wanted.length
  let j = given.length
  while (i > 0 && j > 0) {
    const word = wanted[i - 1] as string
    if (word === given[j - 1]) {
      words.push(word)
      i -= 1
      j -= 1
    } else if ((table[(i - 1) * width + j] ?? 0) > (table[i * width + j - 1] ?? 0)) i -= 1
    else j -= 1
  }
  return words
}

function triple(shared: number, given: number, wanted: number): RougeTriple {
  const p = given === 0 ? 0 : shared / given
  const r = wanted === 0 ? 0 : shared / wanted
  return { r, p, f: 2 * ((p * r) / (p + r + 1e-8)) }
}
