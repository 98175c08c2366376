import type { NextInput } from './next-cases.ts'
import { planOf, recordedKept, rowsOf, runLayer, tensorsOf, type Recorded, type Shape } from './next-layer.ts'
import { specOf } from './next-methods.ts'

/** R-KV several times: what a step keeps, in its order, and the tokens behind it are the next step's cache. */
export async function checkSteps(
  recorded: Recorded,
  input: NextInput,
  shape: Shape,
): Promise<string | undefined> {
  const { test, arrays } = recorded
  const schedule = test.params['schedule'] as number[]
  const theirs = recordedKept(recorded)
  const tensors = tensorsOf(recorded, input)
  const { kvHeads, queryHeads, headDim, tokens } = shape
  const window = test.params['window_size'] as number
  let cache = Array.from({ length: kvHeads }, (): number[] => [])
  let seen = 0
  for (const [step, end] of schedule.entries()) {
    cache = cache.map((list) => [...list, ...Array.from({ length: end - seen }, (_, i) => seen + i)])
    seen = end
    const width = cache[0]!.length
    // The last queries stand at the end of the cache.
    const last = Array.from({ length: queryHeads }, () =>
      Array.from({ length: width }, (_, i) => Math.max(0, end - width + i)),
    )
    const now = { ...shape, tokens: width }
    const plan = planOf(specOf('rkv_steps', test.params, width, 0)!, now).layers[0]!
    const k = rowsOf(tensors.k, tokens, headDim, cache)
    const run = await runLayer(
      recorded,
      input,
      plan,
      {
        ...tensors,
        q: rowsOf(tensors.q, tokens, headDim, last),
        qBefore: rowsOf(tensors.qBefore, tokens, headDim, last),
        k,
        kBefore: k,
        v: k,
      },
      now,
    )
    const scores = arrays(`final_scores_${step}`)
    const largest = scores.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    for (let i = 0; i < scores.length; i++)
      if (!(Math.abs(scores[i]! - run.scores[i]!) <= 1e-4 * largest))
        return `step ${step}: score ${i} is ${run.scores[i]}, theirs ${scores[i]}`
    cache = run.kept.map((kept, head) => [...kept].map((i) => cache[head]![i]!))
    for (let head = 0; head < kvHeads; head++) {
      const kept = theirs[step * kvHeads + head]!
      const own = new Set(cache[head])
      const gone = [...kept].find((t) => !own.has(t))
      if (own.size !== kept.length || gone !== undefined)
        return `step ${step}, head ${head}: token ${gone} is missing`
      // Their order is that of the cache: by falling score, then the window.
      const chosen = kept.length - window
      if ([...kept].slice(chosen).join() !== cache[head]!.slice(chosen).join())
        return `step ${step}, head ${head}: another window`
    }
  }
  return undefined
}
