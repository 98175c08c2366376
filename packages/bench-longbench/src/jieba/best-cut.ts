import type { Dictionary } from './dictionary.ts'
import { exactLog } from './exact-log.ts'

/**
 * End (exclusive) of the word that begins at every position on the most probable way through a block, by word counts
 * alone; of equally probable ways the one with the longer word. `logs` remembers logarithms of counts between calls.
 */
export function bestCut(block: string, dictionary: Dictionary, logs: Map<number, number>): Uint32Array {
  const log = (count: number): number => {
    const known = logs.get(count)
    if (known !== undefined) return known
    const value = exactLog(count)
    logs.set(count, value)
    return value
  }
  const logTotal = log(dictionary.total)
  const size = block.length
  const score = new Float64Array(size + 1)
  const end = new Uint32Array(size)
  for (let from = size - 1; from >= 0; from--) {
    let best = -Infinity
    let bestEnd = 0
    for (let to = from + 1; to <= size; to++) {
      const count = dictionary.counts.get(block.slice(from, to))
      if (count === undefined) break
      if (count === 0) continue
      const through = log(count) - logTotal + (score[to] ?? 0)
      if (through >= best) [best, bestEnd] = [through, to]
    }
    if (bestEnd === 0) [best, bestEnd] = [log(1) - logTotal + (score[from + 1] ?? 0), from + 1]
    score[from] = best
    end[from] = bestEnd
  }
  return end
}
