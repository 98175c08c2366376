import { expected } from '@qpkv/spec'
import type { ContextParts } from './context-parts.ts'

/** What positions are found from. */
type Held = Pick<ContextParts, 'native' | 'plan' | 'keptPositions'>

/** Positions in the text of the tokens that a stored head holds now, ascending. */
export function heldPositions(
  { native, plan, keptPositions }: Held,
  layer: number,
  head: number,
): Int32Array {
  const heads = at(keptPositions, layer, 'layer')
  const kept = Int32Array.from(at(heads, head, 'head')).sort()
  const { evict, positions, protect } = plan.layers[layer]!
  const later = Int32Array.from(
    { length: native.tokens - plan.promptTokens },
    (_, i) => plan.promptTokens + i,
  )
  const seen = Int32Array.of(...kept, ...later)
  if (evict === 'never') return seen
  const live = native.kept()[layer]![head]!
  // Indices in the cache say nothing of the text; there the oldest behind the first ones have left.
  if (positions === 'cache') {
    const first = seen.filter((position) => position < protect.first)
    return Int32Array.of(...first, ...seen.subarray(seen.length - (live - first.length)))
  }
  return native.positions(layer, head).sort()
}

function at<T>(list: readonly T[], index: number, name: string): T {
  const item = Number.isSafeInteger(index) ? list[index] : undefined
  if (item === undefined) throw expected(`a whole number from 0 to ${list.length - 1}`, name, index)
  return item
}
