import { compareKeptSets } from './kept-sets.ts'
import type { NextInput } from './next-cases.ts'
import { planOf, recordedKept, rowsOf, runLayer, tensorsOf, type Recorded, type Shape } from './next-layer.ts'
import { specOf } from './next-methods.ts'

/** KeyDiff block by block: the best of what was kept and the next block. */
export async function checkBlocks(
  recorded: Recorded,
  input: NextInput,
  shape: Shape,
): Promise<string | undefined> {
  const { test } = recorded
  const { kvHeads, queryHeads, headDim, tokens } = shape
  const size = Math.min(test.params['block_size'] as number, tokens)
  const tensors = tensorsOf(recorded, input)
  const slots = planOf(specOf('keydiff', test.params, tokens, 0)!, shape).layers[0]!.tokens.perHead as number
  let kept = Array.from({ length: kvHeads }, () => Array.from({ length: slots }, (_, i) => i))
  for (let begin = slots; begin < tokens; begin += size) {
    const block = Array.from({ length: Math.min(size, tokens - begin) }, (_, i) => begin + i)
    const candidates = kept.map((list) => [...list, ...block])
    const now = { ...shape, tokens: candidates[0]!.length }
    const plan = planOf({ budget: { tokens: slots }, prune: { method: 'keydiff', last: 0 } }, now).layers[0]!
    const k = rowsOf(tensors.k, tokens, headDim, candidates)
    const q = new Float32Array(queryHeads * now.tokens * headDim)
    const run = await runLayer(recorded, input, plan, { q, qBefore: q, k, kBefore: k, v: k }, now)
    kept = run.kept.map((list, head) => [...list].map((i) => candidates[head]![i]!))
  }
  return compareKeptSets(
    kept.map((list) => Int32Array.from(list)),
    recordedKept(recorded),
    recorded,
  )
}
