import { scoreParagraph } from './retrieval.ts'

/** Passage retrieval (Chinese), 0..1: the id follows U+6BB5 U+843D ("paragraph") in the reference. */
export function retrievalZh(prediction: string, reference: string): number {
  return scoreParagraph(prediction, reference, /\u6bb5\u843d(\p{Nd}+)/u)
}
