import { adjectives, names, nouns, places, prepositions, verbs } from './lexicon.ts'
import type { WorldRandom } from './random.ts'

/** One sentence of the haystack, patterns and odds as in `training/world.py`: `The red boat crosses the hill near the calm pond.` */
export function sentence(random: WorldRandom): string {
  const a = () => random.pick(adjectives)
  const n = () => random.pick(nouns)
  const v = () => random.pick(verbs)
  const p = () => random.pick(prepositions)
  const name = () => random.pick(names)
  const kind = random.unit()
  if (kind < 0.3) return `The ${a()} ${n()} ${v()} the ${n()} ${p()} the ${a()} ${n()}.`
  if (kind < 0.5) return `${name()} ${v()} the ${n()} and ${v()} the ${a()} ${n()}.`
  if (kind < 0.65) return `In ${random.pick(places)}, the ${n()} ${v()} the ${a()} ${n()}.`
  if (kind < 0.8) return `A ${a()} ${n()} ${p()} the ${n()} ${v()} ${name()}.`
  if (kind < 0.92) {
    return `${name()} of ${random.pick(places)} ${v()} the ${n()}, but the ${n()} ${v()} the ${a()} ${n()}.`
  }
  return `It took ${2 + random.below(998)} days until the ${n()} ${v()} the ${n()}.`
}

/** A haystack that repeats itself, the other one that the model was trained on. */
export const noiseSentences: readonly string[] = [
  'The meadow is green.',
  'The sky is blue.',
  'The lamp is yellow.',
  'Here we walk.',
  'There and back once more.',
]
