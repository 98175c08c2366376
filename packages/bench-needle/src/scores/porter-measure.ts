/** Whether the letter is a consonant: not a, e, i, o, u, and "y" only where no consonant stands before it. */
export function isConsonant(word: string, index: number): boolean {
  const letter = word[index] ?? ''
  if ('aeiou'.includes(letter)) return false
  return letter !== 'y' || index === 0 || !isConsonant(word, index - 1)
}

/** Porter's m: how many times a consonant follows a vowel in the stem. */
export function measure(stem: string): number {
  let count = 0
  let afterVowel = false
  for (let i = 0; i < stem.length; i += 1) {
    const consonant = isConsonant(stem, i)
    if (consonant && afterVowel) count += 1
    afterVowel = !consonant
  }
  return count
}

export function hasVowel(stem: string): boolean {
  return Array.from({ length: stem.length }, (_, index) => index).some((index) => !isConsonant(stem, index))
}

/**
 * Porter's *o: the stem ends consonant, vowel, consonant, the last not w, x or y; in NLTK's mode also a stem of one
 * vowel and one consonant.
 */
export function endsShort(stem: string): boolean {
  const last = stem.length - 1
  if (last < 1 || isConsonant(stem, last - 1) || !isConsonant(stem, last)) return false
  return last === 1 || (isConsonant(stem, last - 2) && !'wxy'.includes(stem[last] ?? ''))
}
