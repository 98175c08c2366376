import { choice, either, numbers, path, protocol, samples, text, texts, whole, wholes } from '@qpkv/bench-kit'
import type { BenchValues } from '@qpkv/bench-kit'
import { promptForms } from './grid/prompt-forms.ts'

/** Numbers hidden in texts of the bundled world. */
export const WORLD_FORM = 'reference-world'

const NEEDLE_FORMS = [WORLD_FORM, ...(Object.keys(promptForms) as (keyof typeof promptForms)[])] as const

const counts = {
  doc: 'World: texts per length, one number for all lengths or one for each. Default 100.',
  role: 'extent',
  min: 1,
} as const

/** Options of both kinds of needle; `world` and `grid` say which belong to which. */
export const needleOptions = {
  form: choice(NEEDLE_FORMS, {
    doc: `${WORLD_FORM} (default), or the originals' grid over a haystack in this prompt form; with from or essays: story-book, plain for the bundled model.`,
  }),
  lengths: wholes({ min: 64, doc: 'Tokens of a text. Default 2048.', flag: { name: '--length' } }),
  depths: either(
    whole({ min: 1, doc: 'Depths, per cent: how many, or which: 10, or 0,50,100.' }),
    numbers({ min: 0, max: 100, doc: '' }),
  ),
  protocol: protocol(),
  seed: whole({ min: 0, default: 1, doc: 'Same seed, same texts.' }),
  keys: whole({ min: 1, doc: 'World: numbers hidden in a text. Default 16.' }),
  samples: either(samples(counts), wholes(counts)),
  questions: whole({ min: 1, doc: 'World: questions per text, with --agnostic. Default 4.' }),
  from: whole({ min: 1, doc: 'Grid: shortest text. Default 1000.' }),
  to: whole({ min: 1, doc: 'Grid: longest text. Default 2000.' }),
  step: whole({ min: 1, doc: 'Grid: from one length to the next. Default 1000.' }),
  depthSchedule: choice(['linear', 'sigmoid'], { doc: 'Grid: how depths are spread. Default linear.' }),
  essays: path({
    doc: 'Grid: folder of .txt files as the haystack (qpkv pull needle-essays).',
    flag: { value: '<DIR>' },
  }),
  order: choice(['sorted', 'listed'], {
    doc: 'Grid: essays sorted, or as the system lists them. Default sorted.',
  }),
  needles: texts({
    doc: "Grid: what is hidden. Default: the originals' sentence.",
    flag: { name: '--needle' },
  }),
  question: text({ doc: 'Grid: what is asked.' }),
  expected: text({ doc: 'Grid: the answer behind overlap and exact.' }),
  buffer: whole({ min: 0, doc: 'Grid: tokens kept free for question and answer. Default 200.' }),
  sentenceEnds: wholes({ min: 0, doc: 'Grid: ids of tokens that end a sentence. Default: that of ".".' }),
  newTokens: whole({ min: 1, doc: 'Grid: tokens to generate. Default 30.' }),
  profile: choice(['official', 'qpruningkv'], {
    doc: 'Grid: qpruningkv leaves special tokens in the haystack, as that code does. Default official.',
  }),
}

export type NeedleOptions = typeof needleOptions
export type NeedleValues = BenchValues<NeedleOptions>
type NeedleOption = keyof NeedleOptions

const shared: readonly NeedleOption[] = ['form', 'lengths', 'depths', 'protocol', 'seed']
const belongs = {
  world: [...shared, 'keys', 'samples', 'questions'],
  grid: [
    ...shared,
    ...([
      'from',
      'to',
      'step',
      'depthSchedule',
      'essays',
      'order',
      'needles',
      'question',
      'expected',
    ] as const),
    ...(['buffer', 'sentenceEnds', 'newTokens', 'profile'] as const),
  ],
} as const satisfies Record<string, readonly NeedleOption[]>

/** Options that were given although they belong to the other kind. */
export const foreignOptions = (kind: keyof typeof belongs, values: NeedleValues): NeedleOption[] =>
  (Object.keys(values) as NeedleOption[]).filter(
    (name) => values[name] !== undefined && !(belongs[kind] as readonly NeedleOption[]).includes(name),
  )
