import { endsShort, hasVowel, isConsonant, measure } from './porter-measure.ts'

/** Suffix, what takes its place, and when; the first suffix that fits decides, whether its condition holds or not. */
type Rule = readonly [suffix: string, replacement: string, condition?: (stem: string) => boolean]

const positive = (stem: string): boolean => measure(stem) > 0
const aboveOne = (stem: string): boolean => measure(stem) > 1

/** Words that go their own way in NLTK's mode. */
const IRREGULAR = new Map([
  ['skies', 'sky'],
  ['dying', 'die'],
  ['lying', 'lie'],
  ['tying', 'tie'],
  ['innings', 'inning'],
  ['outings', 'outing'],
  ['cannings', 'canning'],
  ...['sky', 'news', 'inning', 'outing', 'canning', 'howe', 'proceed', 'exceed', 'succeed'].map(
    (word): [string, string] => [word, word],
  ),
])

const STEP_2: readonly Rule[] = [
  ['ational', 'ate', positive],
  ['tional', 'tion', positive],
  ['enci', 'ence', positive],
  ['anci', 'ance', positive],
  ['izer', 'ize', positive],
  ['bli', 'ble', positive],
  ['alli', 'al', positive],
  ['entli', 'ent', positive],
  ['eli', 'e', positive],
  ['ousli', 'ous', positive],
  ['ization', 'ize', positive],
  ['ation', 'ate', positive],
  ['ator', 'ate', positive],
  ['alism', 'al', positive],
  ['iveness', 'ive', positive],
  ['fulness', 'ful', positive],
  ['ousness', 'ous', positive],
  ['aliti', 'al', positive],
  ['iviti', 'ive', positive],
  ['biliti', 'ble', positive],
  ['fulli', 'ful', positive],
  // NLTK measures the stem with the "l" of "logi", so that "geology" and "archaeology" go the same way.
  ['logi', 'log', (stem) => positive(`${stem}l`)],
]

const STEP_3: readonly Rule[] = [
  ['icate', 'ic', positive],
  ['ative', '', positive],
  ['alize', 'al', positive],
  ['iciti', 'ic', positive],
  ['ical', 'ic', positive],
  ['ful', '', positive],
  ['ness', '', positive],
]

const STEP_4: readonly Rule[] = [
  ...['al', 'ance', 'ence', 'er', 'ic', 'able', 'ible', 'ant', 'ement', 'ment', 'ent'].map(removeAboveOne),
  ['ion', '', (stem) => aboveOne(stem) && /[st]$/.test(stem)],
  ...['ou', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize'].map(removeAboveOne),
]

function removeAboveOne(suffix: string): Rule {
  return [suffix, '', aboveOne]
}

/**
 * Porter's stemmer in the mode "NLTK extensions" of NLTK's `PorterStemmer`, which google's rouge_score uses.
 * Porter 1980, https://tartarus.org/martin/PorterStemmer/.
 */
export function porterStem(text: string): string {
  let word = text.toLowerCase()
  // NLTK looks the word up as it was given, so "Dying" is no irregular form.
  const irregular = IRREGULAR.get(text)
  if (irregular !== undefined) return irregular
  if (Array.from(text).length <= 2) return word
  word = removePluralEnding(word)
  word = removePastEnding(word)
  word = applyRules(word, [['y', 'i', endsInConsonantAfterAnother]])
  word = replaceDoubleSuffix(word)
  word = applyRules(word, STEP_3)
  word = applyRules(word, STEP_4)
  word = removeFinalE(word)
  return applyRules(word, [['ll', 'l', (stem) => aboveOne(`${stem}l`)]])
}

function applyRules(word: string, rules: readonly Rule[]): string {
  for (const [suffix, replacement, condition] of rules) {
    if (!word.endsWith(suffix)) continue
    const stem = word.slice(0, word.length - suffix.length)
    return condition === undefined || condition(stem) ? stem + replacement : word
  }
  return word
}

/** Step 1a. */
function removePluralEnding(word: string): string {
  if (word.endsWith('ies') && word.length === 4) return word.slice(0, -1)
  return applyRules(word, [
    ['sses', 'ss'],
    ['ies', 'i'],
    ['ss', 'ss'],
    ['s', ''],
  ])
}

/** Step 1b, with what follows when "ed" or "ing" was cut. */
function removePastEnding(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, word.length === 4 ? -1 : -2)
  if (word.endsWith('eed')) return positive(word.slice(0, -3)) ? word.slice(0, -1) : word
  const suffix = ['ed', 'ing'].find(
    (ending) => word.endsWith(ending) && hasVowel(word.slice(0, -ending.length)),
  )
  return suffix === undefined ? word : repairCut(word.slice(0, -suffix.length))
}

function repairCut(stem: string): string {
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`
  const last = stem.at(-1) ?? ''
  if (stem.length >= 2 && last === stem.at(-2) && isConsonant(stem, stem.length - 1)) {
    return 'lsz'.includes(last) ? stem : stem.slice(0, -1)
  }
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem
}

/** Condition of step 1c: not the only letter, and a consonant. */
function endsInConsonantAfterAnother(stem: string): boolean {
  return stem.length > 1 && isConsonant(stem, stem.length - 1)
}

/** Step 2; NLTK turns "alli" into "al" first and starts over. */
function replaceDoubleSuffix(word: string): string {
  if (word.endsWith('alli') && positive(word.slice(0, -4))) return replaceDoubleSuffix(word.slice(0, -2))
  return applyRules(word, STEP_2)
}

/** Step 5a. */
function removeFinalE(word: string): string {
  if (!word.endsWith('e')) return word
  const stem = word.slice(0, -1)
  const size = measure(stem)
  return size > 1 || (size === 1 && !endsShort(stem)) ? stem : word
}
