import { dataError } from '@qpkv/bench-kit'
import { sortedUnique, formatTemplate } from '../python/python-text.ts'
import { FailedDraw, type DraftMaker } from './draft.ts'
import { freshShuffle, type GeneratorContext } from './generator-context.ts'
import { growSize, searchSize, type Sizing } from './sizing.ts'
import type { TaskRun } from './task-run.ts'

const COMMON_WORDS = 10
const INCREMENT = 10
/** Current scripts estimate tokens per word from a probe of this many words. */
const PROBE = 4096

interface ListShape {
  readonly words: number
  readonly commonRepeats: number
  readonly otherRepeats: number
}

/** Common words extraction: ten words stand in the list more often than the others. */
export function commonWordsRun(context: GeneratorContext): TaskRun {
  const { assets, scripts } = context
  const words = freshShuffle(
    context.seed,
    sortedUnique([...assets.nouns, ...assets.adjectives, ...assets.verbs]),
  )
  const english = scripts === 'current' ? (assets.englishWords ?? []) : []
  const available = Math.max(words.length, english.length)
  if (words.length < 4 * COMMON_WORDS) {
    throw dataError(
      assets.name,
      `cwe needs at least ${4 * COMMON_WORDS} different words but has ${words.length}`,
    )
  }
  const make = commonWordsMaker(context, words, english)
  const sizing: Sizing = {
    make,
    increment: INCREMENT,
    budget: context.budget,
    reserve: context.newTokens,
    tokens: (text) => context.tokens(text),
  }
  const size =
    scripts === 'current'
      ? searchSize({ ...sizing, probe: PROBE, estimate: doubleEstimate, limit: available })
      : growSize({
          ...sizing,
          withAnswers: (text, answers) => `${text} ${numbered(answers)}`,
          limit: { size: words.length, checked: 'after-step' },
        })
  const lengthOf = (text: string): number => context.tokens(text) + context.newTokens
  return { make, size, increment: INCREMENT, lengthOf, retreat: true }
}

function commonWordsMaker(
  context: GeneratorContext,
  words: readonly string[],
  english: readonly string[],
): DraftMaker {
  const short = context.nominalLength < 4096
  const { template, answerPrefix } = context.assets.templates.tasks.common_words_extraction
  const fill = (list: string): string =>
    formatTemplate(template + answerPrefix, { num_cw: String(COMMON_WORDS), context: list, query: '' })

  const drawList = (shape: ListShape): { list: string; common: string[] } => {
    const source = shape.words <= words.length ? words : english
    if (shape.words > source.length || shape.words < 0)
      throw new FailedDraw(`no ${shape.words} different words`)
    const drawn = context.random.sample(source, shape.words)
    const common = drawn.slice(0, COMMON_WORDS)
    const all = [
      ...repeatList(common, shape.commonRepeats),
      ...repeatList(drawn.slice(COMMON_WORDS), shape.otherRepeats),
    ]
    return { list: numbered(freshShuffle(context.seed, all)), common }
  }

  return (units) => {
    const example = drawList(
      short
        ? { words: 20, commonRepeats: 3, otherRepeats: 1 }
        : { words: 40, commonRepeats: 10, otherRepeats: 3 },
    )
    const sample = drawList(
      short
        ? { words: units, commonRepeats: 6, otherRepeats: 1 }
        : { words: units, commonRepeats: 30, otherRepeats: 3 },
    )
    const gap = context.scripts === 'current' ? ' ' : ''
    const text = `${fill(example.list)}${gap}${numbered(example.common)}\n${fill(sample.list)}`
    return { text, answers: sample.common }
  }
}

/** "1. word 2. word ..." */
function numbered(words: readonly string[]): string {
  return words.map((word, i) => `${i + 1}. ${word}`).join(' ')
}

function repeatList<T>(items: readonly T[], times: number): T[] {
  return Array.from({ length: times }, () => items).flat()
}

/** `int(budget // tokensPerWord) * 2`, with Python's floor division of floats. */
function doubleEstimate(budget: number, tokensPerWord: number): number {
  return Math.round((budget - (budget % tokensPerWord)) / tokensPerWord) * 2
}
