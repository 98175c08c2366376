import { SeededRandom } from '@qpkv/bench-kit'

const names = ['amber-acorn', 'brave-otter', 'quiet-harbor', 'loyal-willow', 'steep-canyon', 'mellow-drum']
const places = ['hill', 'lake', 'field', 'market', 'bridge', 'old mill', 'narrow street', 'quiet garden']
const things = ['red boat', 'tall teacher', 'small lantern', 'grey horse', 'young baker', 'heavy wagon']
const acts = ['crosses', 'passes', 'watches', 'leaves', 'remembers', 'walks around']

/** A text with `count` numbers hidden and a question about one of them, in this project's own words. */
export function peerPrompt(
  seed: number,
  sentences: number,
  count: number,
): { readonly text: string; readonly question: string; readonly answer: string } {
  const random = new SeededRandom(seed)
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const facts = names
    .slice(0, count)
    .map((name) => ({ name, number: String(1_000_000 + random.below(9_000_000)) }))
  const lines = Array.from(
    { length: sentences },
    () => `The ${pick(things)} ${pick(acts)} the ${pick(places)}.`,
  )
  for (const { name, number } of facts)
    lines.splice(random.below(lines.length), 0, `The special magic number for ${name} is: ${number}.`)
  const asked = pick(facts)
  return {
    text: lines.join(' '),
    question: `\nQuestion: What is the special magic number for ${asked.name}?\nAnswer: The special magic number for ${asked.name} is:`,
    answer: asked.number,
  }
}
