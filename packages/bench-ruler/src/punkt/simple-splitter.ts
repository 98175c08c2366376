/**
 * A plain sentence splitter for texts without trained parameters: a sentence ends at ".", "?" or "!" (and closing
 * quotes or brackets after it) where white space and a capital letter, digit or opening quote follow.
 * It knows no abbreviations, so "Mr. Smith" is cut. Never use it to rebuild official samples.
 */
export function splitSimply(text: string): string[] {
  const ends = text.matchAll(/[.?!]+["')\]]*\s+(?=["'([]*[\p{Lu}\p{Nd}])/gu)
  const sentences: string[] = []
  let start = 0
  for (const match of ends) {
    const end = match.index + match[0].length
    sentences.push(text.slice(start, end).trim())
    start = end
  }
  sentences.push(text.slice(start).trim())
  return sentences.filter((sentence) => sentence !== '')
}
