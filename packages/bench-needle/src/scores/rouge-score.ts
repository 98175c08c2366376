import { porterStem } from './porter-stemmer.ts'

/** Precision, recall and their harmonic mean, each 0 to 1. */
export interface Overlap {
  readonly precision: number
  readonly recall: number
  readonly fmeasure: number
}

/** Tokens as google's rouge_score makes them: lower-case runs of a-z and 0-9, those above 3 letters stemmed. */
export function rougeTokens(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  return words.map((word) => (word.length > 3 ? porterStem(word) : word))
}

/** ROUGE-1 of google's rouge_score with stemming: overlap of the two multisets of words. */
export function rouge1(target: string, prediction: string): Overlap {
  const wanted = rougeTokens(target)
  const given = rougeTokens(prediction)
  const left = new Map<string, number>()
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1)
  let shared = 0
  for (const word of given) {
    const count = left.get(word) ?? 0
    if (count === 0) continue
    left.set(word, count - 1)
    shared += 1
  }
  return overlap(shared, given.length, wanted.length)
}

/** ROUGE-L of google's rouge_score with stemming: longest common subsequence of the words. */
export function rougeL(target: string, prediction: string): Overlap {
  const wanted = rougeTokens(target)
  const given = rougeTokens(prediction)
  let row = new Uint32Array(given.length + 1)
  for (const word of wanted) {
    const next = new Uint32Array(given.length + 1)
    for (let j = 1; j <= given.length; j += 1) {
      const diagonal = (row[j - 1] ?? 0) + 1
      next[j] = given[j - 1] === word ? diagonal : Math.max(row[j] ?? 0, next[j - 1] ?? 0)
    }
    row = next
  }
  return overlap(row[given.length] ?? 0, given.length, wanted.length)
}

/** The `score` that the paper's needle code saves: ROUGE-1 F of the answer against the whole needle, times 10. */
export function needleRougeScore(needle: string, answer: string): number {
  return rouge1(needle, answer).fmeasure * 10
}

function overlap(shared: number, given: number, wanted: number): Overlap {
  const precision = shared / Math.max(given, 1)
  const recall = shared / Math.max(wanted, 1)
  const fmeasure = precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0
  return { precision, recall, fmeasure }
}
