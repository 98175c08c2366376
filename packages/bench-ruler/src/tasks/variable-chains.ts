import { formatTemplate } from '../python/python-text.ts'
import { FailedDraw } from './draft.ts'
import type { GeneratorContext } from './generator-context.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** RULER's vt: one chain of this many copies. */
export const HOPS = 4
/** The value of the example until it is randomized (current scripts). */
export const EXAMPLE_VALUE = '12345'

export interface Chain {
  readonly names: readonly string[]
  /** first the assignment of the value, then the copies; copies end in a blank */
  readonly lines: readonly string[]
  readonly value: string
}

/** Names of so many capital letters, drawn until as many differ as the chain needs. */
export function drawName(context: GeneratorContext, letters: number): string {
  return context.random.choices(LETTERS, letters).join('')
}

/** numpy's stream gives the values, Python's the names. */
export function drawValue(context: GeneratorContext): string {
  return String(context.numpy.randomInteger(10_000, 99_999))
}

/** @param kind the example has names of three letters, a sample of five */
export function drawChain(context: GeneratorContext, kind: 'example' | 'sample'): Chain {
  const letters = kind === 'example' ? 3 : 5
  const names = Array.from({ length: HOPS + 1 }, () => drawName(context, letters))
  while (new Set(names).size < HOPS + 1) names.push(drawName(context, letters))
  const value = kind === 'example' && context.scripts === 'current' ? EXAMPLE_VALUE : drawValue(context)
  if (names.length > HOPS + 1) {
    // The original starts a second chain with the surplus name, draws its value and fails.
    if (kind === 'sample' || context.scripts === '2024-04') drawValue(context)
    throw new FailedDraw('a name of the chain was drawn twice')
  }
  const { assignment, copy } = context.assets.templates
  const lines = names.map((name, i) =>
    i === 0
      ? formatTemplate(assignment, { name, value })
      : formatTemplate(copy, { name, previous: names[i - 1] ?? '' }),
  )
  return { names, lines, value }
}

/** Lines with the chain's links put in at random places, in order. */
export function insertChain(
  context: GeneratorContext,
  lines: readonly string[],
  chain: readonly string[],
): string[] {
  if (lines.length < chain.length)
    throw new FailedDraw(`${chain.length} links do not fit in ${lines.length} lines`)
  const indexes = Array.from({ length: lines.length }, (_, i) => i)
  const places = context.random.sample(indexes, chain.length).sort((a, b) => a - b)
  const result = [...lines]
  for (const [i, place] of places.entries()) result.splice(place + i, 0, chain[i] ?? '')
  return result
}
