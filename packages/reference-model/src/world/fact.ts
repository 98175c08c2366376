import { adjectives, infinitives, names, nouns, places, prepositions } from './lexicon.ts'
import type { WorldRandom } from './random.ts'

/** What a fact is about. `number`, `word` and `uuid` are the special magic values of a key. */
export type FactKind = 'number' | 'word' | 'uuid' | 'attribute' | 'thing'

/** Something that can be hidden in a text and asked for. */
export interface Fact {
  readonly kind: FactKind
  /** What tells it from others of its kind: `amber-acorn`, `Clara of Belmont`, `Elwick Norvale`. */
  readonly key: string
  /** The sentence to hide. */
  readonly needle: string
  /** What is asked for: `special magic number for amber-acorn`; the question and the beginning of its answer are built on it. */
  readonly topic: string
  /** The answer without its full stop. */
  readonly value: string
}

const digits = '0123456789'.split('')
const hexDigits = '0123456789abcdef'.split('')

const many = (count: number, item: () => string) => Array.from({ length: count }, item).join('')

/** A decimal number of `length` digits that does not begin with 0. */
export const numberValue = (random: WorldRandom, length = 7): string =>
  random.pick(digits.slice(1)) + many(length - 1, () => random.pick(digits))

/** `amber-acorn`: the form of keys and of secret words. */
export const twoWords = (random: WorldRandom): string => `${random.pick(adjectives)}-${random.pick(nouns)}`

const shortUuid = (random: WorldRandom) =>
  [4, 4, 4].map((length) => many(length, () => random.pick(hexDigits))).join('-')

/** An action of 5 to 11 words: `bake with a round pie and sit near the tower`. */
function action(random: WorldRandom): string {
  const first = `${random.pick(infinitives)} with a ${random.pick(adjectives)} ${random.pick(nouns)}`
  if (random.unit() >= 0.6) return first
  return `${first} and ${random.pick(infinitives)} ${random.pick(prepositions)} the ${random.pick(nouns)}`
}

function magic(random: WorldRandom, kind: 'number' | 'word' | 'uuid', key: string): Fact {
  const value =
    kind === 'number' ? numberValue(random) : kind === 'word' ? twoWords(random) : shortUuid(random)
  const needle = random.pick([
    `One of the special magic ${kind}s for ${key} is: ${value}.`,
    `The special magic ${kind} for ${key} is: ${value}.`,
    `The special magic ${kind} for ${key} is ${value}.`,
  ])
  return { kind, key, needle, topic: `special magic ${kind} for ${key}`, value }
}

const attributes = [
  'access code',
  'locker number',
  'ticket number',
  'phone number',
  'secret word',
  'password',
] as const

function attribute(random: WorldRandom, key: string): Fact {
  const name = random.pick(attributes)
  const isWord = name === 'secret word' || name === 'password'
  const value = isWord ? twoWords(random) : numberValue(random, 4 + random.below(5))
  const topic = `${name} of ${key}`
  return { kind: 'attribute', key, needle: `The ${topic} is ${value}.`, topic, value }
}

function thing(random: WorldRandom, key: string): Fact {
  const topic = `best thing to do in ${key}`
  const value = action(random)
  return { kind: 'thing', key, needle: `The ${topic} is ${value}.`, topic, value }
}

/** One fact of the wanted kind; the key is drawn unless given. */
export function fact(random: WorldRandom, kind: FactKind, key?: string): Fact {
  if (kind === 'attribute') {
    return attribute(random, key ?? `${random.pick(names)} of ${random.pick(places)}`)
  }
  if (kind === 'thing') return thing(random, key ?? `${random.pick(places)} ${random.pick(places)}`)
  return magic(random, kind, key ?? twoWords(random))
}

/** `count` facts of one kind, no topic twice. */
export function facts(random: WorldRandom, kind: FactKind, count: number): Fact[] {
  const byTopic = new Map<string, Fact>()
  while (byTopic.size < count) {
    const next = fact(random, kind)
    if (!byTopic.has(next.topic)) byTopic.set(next.topic, next)
  }
  return [...byTopic.values()]
}
