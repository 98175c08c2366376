import { headTokens, KvError, type LayerPlan } from '@qpkv/spec'
import { shareAmongHeads } from './share-among-heads.ts'

/*
 * The reference selection: what every engine's choice of tokens must be, written for reading. Scores are float32.
 */

/** The fields of a layer's plan that decide which tokens stay. */
export type SelectionPlan = Pick<LayerPlan, 'tokens' | 'protect' | 'order' | 'stages'>

/**
 * Kept positions per head, in storage order. `scores`: per stage [heads, tokens] as its score gives them (those of the
 * last protected tokens are not read), higher is kept; undefined stands for equal ones. Candidates are the last
 * `candidates` positions (all by default; fewer under a sliding window). Ties go to the lower position. Throws
 * KV_NUMERIC for NaN.
 */
export function selectTokens(
  scores: Float32Array | readonly Float32Array[] | undefined,
  heads: number,
  tokens: number,
  plan: SelectionPlan,
  candidates: number = tokens,
): Int32Array[] {
  const stages =
    scores === undefined
      ? [new Float32Array(heads * tokens)]
      : scores instanceof Float32Array
        ? [scores]
        : scores
  const { protect } = plan
  const begin = tokens - Math.min(candidates, tokens)
  const lastBegin = Math.max(begin, tokens - protect.last)
  const firstEnd = Math.min(Math.max(begin, protect.first), lastBegin)
  for (const stage of stages) refuseNan(stage, heads, tokens, lastBegin)
  const range = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
  const first = range(begin, firstEnd)
  const last = range(lastBegin, tokens)
  const between = (protect.positions ?? []).filter((t) => t >= firstEnd && t < lastBegin)
  const named = new Set(between)
  const open = range(firstEnd, lastBegin).filter((t) => !named.has(t))
  const places = headTokens(plan.tokens, heads).map((keep) =>
    Math.max(0, Math.min(keep, tokens - begin) - first.length - last.length - between.length),
  )
  const row = (stage: Float32Array, head: number) => stage.subarray(head * tokens, (head + 1) * tokens)
  const shared =
    plan.tokens.pool === 'layer'
      ? shareAmongHeads(
          Array.from({ length: heads }, (_, head) => {
            const own = row(stages[0]!, head)
            return Float32Array.from(open, (t) => own[t]!)
          }),
          places[0]!,
          plan.tokens,
        )
      : places
  return Array.from({ length: heads }, (_, head) => {
    const best = fill(
      stages.map((stage) => row(stage, head)),
      open,
      shared[head]!,
      plan.stages.map(({ share }) => share),
    )
    const order = plan.order === 'score' ? [...between, ...best] : [...between, ...best].sort((a, b) => a - b)
    return Int32Array.from([...first, ...order, ...last])
  })
}

/** Fills places stage by stage, each with the best of the tokens that are left. */
function fill(
  stages: readonly Float32Array[],
  open: readonly number[],
  places: number,
  shares: readonly number[],
): number[] {
  const taken: number[] = []
  let left = open
  // A share that was meant to be whole, such as 0.1 of 30, must not lose a place to its rounding.
  for (const [i, scores] of stages.entries()) {
    const rest = places - taken.length
    const count =
      i === stages.length - 1 ? rest : Math.min(rest, Math.floor((shares[i] ?? 1) * places + 1e-9))
    const best = [...left].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count)
    taken.push(...best)
    const gone = new Set(best)
    left = left.filter((t) => !gone.has(t))
  }
  return taken
}

function refuseNan(scores: Float32Array, heads: number, tokens: number, scored: number): void {
  for (let head = 0; head < heads; head++)
    for (let t = 0; t < scored; t++)
      if (Number.isNaN(scores[head * tokens + t]))
        throw new KvError('KV_NUMERIC', `The score of head ${head}, token ${t} is not a number.`)
}
