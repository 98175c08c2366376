import { seededRandom } from './seeded-random.ts'

/** A number to hide in a text and to ask for. */
export interface Needle {
  /** `amber-falcon` */
  readonly key: string
  /** Seven digits. */
  readonly value: string
  /** ` The special magic number for amber-falcon is 4417208.` */
  readonly sentence: string
  /** `What is the special magic number for amber-falcon?` */
  readonly question: string
  /** `The special magic number for amber-falcon is`: what an answer is made to begin with. */
  readonly lead: string
}

const adjectives =
  'amber ancient bitter bold bright bronze calm clever copper crimson distant dusty eager faint gentle golden humble ivory jade lively'
const nouns =
  'anchor basket beacon bridge candle castle comet compass dragon falcon fiddle forest garden hammer island lantern meadow orchid pebble river'

/** `count` needles (at most 400) with different keys; the first ones do not depend on how many come after. */
export function makeNeedles(count: number, seed: number): Needle[] {
  const random = seededRandom(seed)
  const pick = (words: string) => {
    const list = words.split(' ')
    return list[Math.floor(random() * list.length)] ?? ''
  }
  const needles = new Map<string, Needle>()
  while (needles.size < count) {
    const key = `${pick(adjectives)}-${pick(nouns)}`
    const value = String(1_000_000 + Math.floor(random() * 9_000_000))
    if (needles.has(key)) continue
    const topic = `special magic number for ${key}`
    needles.set(key, {
      key,
      value,
      sentence: ` The ${topic} is ${value}.`,
      question: `What is the ${topic}?`,
      lead: `The ${topic} is`,
    })
  }
  return [...needles.values()]
}

/** Whether a reply is right. Tokenizers spell the space before a number in their own ways. */
export const findsNeedle = (reply: string, { value }: Needle): boolean =>
  new RegExp(`^${value}(?!\\d)`).test(reply.trimStart())
