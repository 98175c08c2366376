import { pythonSplit } from '../python/white-space.ts'

/**
 * The longest backtrack, in steps, that CPython's recursion limit of 1000 leaves to the official scorer; a longer one
 * raises there, and the scorer answers 0.
 */
export const recursionSteps = 990

/** Pieces between full stops; zero-length ones dropped *before* trimming, so a blank piece stays as the empty string. */
function splitPieces(text: string): string[] {
  return text
    .split('.')
    .filter((piece) => piece !== '')
    .map((piece) => pythonSplit(piece).join(' '))
}

/** Gives every distinct word a small number; comparing numbers is much faster than comparing strings. */
function numberWords(pieces: readonly string[], ids: Map<string, number>): Int32Array[] {
  return pieces.map((piece) =>
    Int32Array.from(piece.split(' '), (word) => {
      const known = ids.get(word)
      if (known !== undefined) return known
      ids.set(word, ids.size)
      return ids.size - 1
    }),
  )
}

const distinct = (pieces: readonly Int32Array[]): number =>
  new Set(pieces.flatMap((piece) => [...piece])).size

/** LCS lengths of all prefixes, [reference + 1, prediction + 1]; at most 990 where it is called, so 16 bits do. */
function lcsTable(reference: Int32Array, prediction: Int32Array): Uint16Array {
  const width = prediction.length + 1
  const table = new Uint16Array((reference.length + 1) * width)
  for (let i = 1; i <= reference.length; i++) {
    const word = reference[i - 1]
    for (let j = 1; j < width; j++) {
      const at = i * width + j
      table[at] =
        word === prediction[j - 1]
          ? (table[at - width - 1] ?? 0) + 1
          : Math.max(table[at - width] ?? 0, table[at - 1] ?? 0)
    }
  }
  return table
}

/**
 * Adds the words of one LCS to `union`. The backtrack goes up only where the table above is strictly greater.
 * Returns false where the original's recursion would have been deeper than `steps` allows.
 */
function addLcs(reference: Int32Array, prediction: Int32Array, union: Set<number>, steps: number): boolean {
  // Every path has at least as many steps as the shorter side has words.
  if (Math.min(reference.length, prediction.length) > steps) return false
  const width = prediction.length + 1
  const table = lcsTable(reference, prediction)
  let [i, j] = [reference.length, prediction.length]
  for (let step = 0; i > 0 && j > 0; step++) {
    if (step === steps) return false
    const word = reference[i - 1] ?? -1
    const at = i * width + j
    if (word === prediction[j - 1]) {
      union.add(word)
      i--
      j--
    } else if ((table[at - width] ?? 0) > (table[at - 1] ?? 0)) i--
    else j--
  }
  return true
}

/** Shares of the words on longest common subsequences: of the reference's different words, and of the prediction's. */
export interface RougeShares {
  readonly recall: number
  readonly precision: number
  /** Their harmonic mean, as the package computes it. */
  readonly f: number
}

/**
 * ROUGE-L as the Python package `rouge` 1.0.1 gives it (summary level, averaged over one pair), 0..1. Not the textbook
 * measure: words are counted as *sets*, texts are cut at every full stop, and a perfect match is 0.999999995. Undefined for what
 * raises there: empty texts, texts of full stops only, recursion deeper than `steps`.
 */
export function rougeLShares(prediction: string, reference: string, steps: number): RougeShares | undefined {
  const ids = new Map<string, number>()
  const references = numberWords(splitPieces(reference), ids)
  const predictions = numberWords(splitPieces(prediction), ids)
  if (references.length === 0 || predictions.length === 0) return undefined
  const union = new Set<number>()
  for (const one of references) {
    for (const other of predictions) if (!addLcs(one, other, union, steps)) return undefined
  }
  const recall = union.size / distinct(references)
  const precision = union.size / distinct(predictions)
  return { recall, precision, f: 2 * ((precision * recall) / (precision + recall + 1e-8)) }
}

/** The F of these shares, 0 where the package raises. */
export const rougeL = (prediction: string, reference: string, steps = recursionSteps): number =>
  rougeLShares(prediction, reference, steps)?.f ?? 0
