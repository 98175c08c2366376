import type { Json } from '../json.ts'
import { checkSpec, type CompressionSpec } from '../spec/compression-spec.ts'
import type { Tier } from '../spec/tiers.ts'
import { parseBudgetText } from './parse-budget.ts'
import { parseAxesAt, parseMethodAt } from './parse-methods.ts'
import { parsePairs } from './parse-values.ts'
import { fail, findOutside } from './scan.ts'
import { parseTiers } from './tiers-text.ts'

/*
 * PRUNER[:k=v,…][~[ALLOCATOR[:k=v,…]][~SHARING[:k=v,…]]]+QUANTIZER[:k=v,…][@BUDGET][#heads=query][#tiers=8:0.1,4:0.3,2][#0-4:keyBits=8,valueBits=8]…
 * BUDGET: 128t | 64x16 | 25% | 128KiB | 131072B | 2%B. `@` begins a budget only before a number. Settings without a range
 * are for all layers that no range speaks of. Nested values are JSON in single quotes, where a single quote is doubled.
 */

function parseSection(
  text: string,
  from: number,
  to: number,
): { heads: Json } | { tiers: readonly Tier[] } | { layer: Record<string, Json> } {
  const section = text.slice(from, to)
  const range = /^(\d+)-(\d+):/.exec(section)
  if (range) {
    const pairs = parsePairs(text, from + range[0].length, to)
    return { layer: { from: Number(range[1]), to: Number(range[2]), ...pairs } }
  }
  if (section.startsWith('tiers=')) return { tiers: parseTiers(text, from + 'tiers='.length, to) }
  if (section.startsWith('heads=')) return { heads: section.slice('heads='.length) }
  if (/^[A-Za-z]\w*=/.test(section)) return { layer: parsePairs(text, from, to) }
  throw fail(
    text,
    from,
    `"#${section}" is neither #heads=… or #tiers=…, nor a range such as #0-4:keyBits=8, nor settings such as #keyBits=8`,
  )
}

/** The text form to a spec; nothing is filled in. Throws KV_INVALID_SPEC with the column. */
export function parseSpec(text: string): CompressionSpec {
  const body = findOutside(text, 0, '#')
  const budgetAt = findBudget(text, body)
  const plus = findOutside(text, 0, '+')
  if (plus >= budgetAt)
    throw fail(
      text,
      Math.min(plus, budgetAt),
      'expected PRUNER+QUANTIZER',
      'For instance snapkv:window=16+kivi:bits=4@128KiB.',
    )
  const second = findOutside(text, plus + 1, '+')
  if (second < budgetAt) throw fail(text, second, 'a second "+"; expected one PRUNER+QUANTIZER')
  const axes = parseAxesAt(text, 0, plus)
  const quantize = parseMethodAt(text, plus + 1, budgetAt, 'quantizer')
  const budget = budgetAt < body ? parseBudgetText(text.slice(budgetAt + 1, body)) : undefined
  const layers: Record<string, Json>[] = []
  let heads: Json | undefined
  let tiers: readonly Tier[] | undefined
  for (let at = body; at < text.length;) {
    const end = findOutside(text, at + 1, '#')
    const section = parseSection(text, at + 1, end)
    if ('layer' in section) layers.push(section.layer)
    else if ('tiers' in section) {
      if (tiers !== undefined) throw fail(text, at, '#tiers is given twice')
      tiers = section.tiers
    } else if (heads !== undefined) throw fail(text, at, '#heads is given twice')
    else heads = section.heads
    at = end
  }
  return checkSpec({
    heads,
    budget,
    ...axes,
    quantize,
    tiers,
    layers: layers.length > 0 ? layers : undefined,
  })
}

/** Where `@NUMBER` begins the budget, or `end`. */
function findBudget(text: string, end: number): number {
  for (let at = findOutside(text, 0, '@'); at < end; at = findOutside(text, at + 1, '@'))
    if (/\d/.test(text[at + 1] ?? '')) return at
  return end
}
