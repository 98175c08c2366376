import { dataError } from '@qpkv/bench-kit'
import { rangeSequence } from '../python/python-random.ts'
import { randomUuid } from '../python/python-uuid.ts'
import { formatTemplate } from '../python/python-text.ts'
import { FailedDraw, type DraftMaker } from './draft.ts'
import { essayHaystack } from './essay-haystack.ts'
import { freshShuffle, type GeneratorContext } from './generator-context.ts'
import { niahSettings, type NeedleType, type NiahSettings } from './niah-settings.ts'
import { growSize, searchSize, tripleEstimate, type Sizing } from './sizing.ts'
import type { TaskRun } from './task-run.ts'
import { WordPairs } from './word-pairs.ts'

interface Needles {
  readonly keys: readonly string[]
  readonly values: readonly (readonly string[])[]
  /** needle sentences, shuffled */
  readonly sentences: readonly string[]
}

/** Needle in a haystack, eight variants: keys with magic values hidden in noise, essays or other needles. */
export function niahRun(context: GeneratorContext): TaskRun {
  const settings = niahSettings(context.task)
  const essays = settings.haystack === 'essay'
  const short = !essays && context.nominalLength < 4096
  const increment = essays ? 500 : short ? 5 : 25
  const words = essays ? essayHaystack(context.assets) : null
  const make = niahMaker(context, settings, words)
  const sizing: Sizing = {
    make,
    increment,
    budget: context.budget,
    reserve: context.newTokens,
    tokens: (text) => context.tokens(text),
  }
  const size =
    context.scripts === 'current'
      ? searchSize({ ...sizing, probe: increment, estimate: tripleEstimate })
      : growSize({
          ...sizing,
          withAnswers: (text, answers) => text + answers.join(' '),
          ...(words === null ? {} : { limit: { size: words.length, checked: 'before-step' } }),
        })
  return {
    make,
    size,
    increment,
    lengthOf: (text) => context.tokens(text) + context.newTokens,
    retreat: true,
  }
}

function niahMaker(context: GeneratorContext, settings: NiahSettings, words: EssayWords): DraftMaker {
  const { random, assets } = context
  const draw = valueDrawer(context, settings)
  const needleOf = (key: string, value: string): string =>
    formatTemplate(assets.templates.needle, {
      type_needle_v: settings.valueType,
      type: settings.valueType.slice(0, -1),
      key,
      value,
    })

  return (units) => {
    const needles = drawNeedles(settings, draw, needleOf, context.seed)
    const text =
      words === null
        ? lineContext(context, settings, needles.sentences, units, draw, needleOf)
        : words.hide(needles.sentences, units, random)
    const picked = random.sample(rangeSequence(settings.keys), settings.queries)
    const queries = picked.map((index) => needles.keys[index] ?? '')
    const answers = picked.flatMap((index) => needles.values[index] ?? [])
    return { text: fillPrompt(context, settings, text, joinQueries(queries)), answers }
  }
}

type EssayWords = ReturnType<typeof essayHaystack> | null

function drawNeedles(
  settings: NiahSettings,
  draw: (type: NeedleType) => string,
  needleOf: (key: string, value: string) => string,
  seed: number,
): Needles {
  const keys: string[] = []
  const values: string[][] = []
  const sentences: string[] = []
  for (let i = 0; i < settings.keys; i += 1) {
    const key = draw(settings.keyType)
    const own = Array.from({ length: settings.valuesPerKey }, () => draw(settings.valueType))
    keys.push(key)
    values.push(own)
    sentences.push(...own.map((value) => needleOf(key, value)))
  }
  return { keys, values, sentences: freshShuffle(seed, sentences) }
}

/** `units` lines of noise or of other needles, ours inserted from the back. */
function lineContext(
  context: GeneratorContext,
  settings: NiahSettings,
  needles: readonly string[],
  units: number,
  draw: (type: NeedleType) => string,
  needleOf: (key: string, value: string) => string,
): string {
  const { noise } = context.assets.templates
  const line = (): string =>
    settings.haystack === 'noise' ? noise : needleOf(draw(settings.keyType), draw(settings.valueType))
  const lines = Array.from({ length: Math.max(0, units) }, line)
  if (lines.length < needles.length)
    throw new FailedDraw(`${needles.length} needles do not fit in ${units} lines`)
  const places = context.random.sample(rangeSequence(lines.length), needles.length).sort((a, b) => b - a)
  for (const [i, place] of places.entries()) lines.splice(place, 0, needles[i] ?? '')
  return lines.join('\n')
}

function valueDrawer(context: GeneratorContext, settings: NiahSettings): (type: NeedleType) => string {
  const { random, assets } = context
  const usesWords = settings.keyType === 'words' || settings.valueType === 'words'
  const pairs = usesWords ? new WordPairs(assets.adjectives, assets.nouns) : null
  if (pairs?.length === 0)
    throw dataError(assets.name, `${context.task} needs adjectives and nouns; the lists are empty`)
  return (type) => {
    if (type === 'numbers') return String(random.randomInteger(1_000_000, 9_999_999))
    if (type === 'uuids' || pairs === null) return randomUuid(random)
    return random.choice(pairs)
  }
}

function joinQueries(queries: readonly string[]): string {
  const last = queries.at(-1) ?? ''
  return queries.length > 1 ? `${queries.slice(0, -1).join(', ')}, and ${last}` : last
}

/** The prompt; with a single answer the template is put into the singular first. */
function fillPrompt(context: GeneratorContext, settings: NiahSettings, text: string, query: string): string {
  const { tasks, singular } = context.assets.templates
  let template = tasks.niah.template + tasks.niah.answerPrefix
  let type: string = settings.valueType
  if (settings.queries * settings.valuesPerKey === 1) {
    for (const [from, to] of singular) template = template.replaceAll(from, to)
    type = type.slice(0, -1)
  }
  return formatTemplate(template, { type_needle_v: type, context: text, query })
}
