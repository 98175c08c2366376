import { needleRougeScore } from '../scores/rouge-score.ts'
import { wordOverlap } from '../scores/word-overlap.ts'

/**
 * The needle's scores, all 0 to 1: `rouge1` (ROUGE-1 F against the whole needle; the originals save ten times this), `overlap` (share of
 * the expected answer's words, what the originals plot) and `exact` (the reply holds the expected answer).
 */
export function scoreReply(
  reply: string,
  { needle, expected }: { readonly needle: string; readonly expected: string },
): { readonly overlap: number; readonly rouge1: number; readonly exact: number } {
  const text = reply.trim()
  return {
    overlap: wordOverlap(text, expected), // first: what reports draw unless asked otherwise
    rouge1: needleRougeScore(needle, text) / 10,
    exact: text.toLowerCase().includes(expected.trim().toLowerCase()) ? 1 : 0,
  }
}
