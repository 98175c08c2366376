import { headTokens, KvError, type LayerPlan } from '@qpkv/spec'
import { shareAmongHeads } from './share-among-heads.ts'

/*
 * The reference selection: what every engine's choice of tokens must be, written for reading. Scores are float32.
 */

/** The fields of a layer's plan that decide which tokens stay. */
export type SelectionPlan = Pick<LayerPlan, 'tokens' | 'protect' | 'order' | 'stages' | 'whole'>

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
  const at = rangesOf(plan, tokens, candidates)
  const stages = stagesOf(scores, heads, tokens)
  for (const stage of stages) refuseNan(stage, heads, tokens, at.lastBegin)
  const slots = slotsOf(plan, at, heads, tokens)
  const shared =
    plan.tokens.pool === 'layer'
      ? shareAmongHeads(openScores(stages[0]!, at, heads, tokens), slots[0]!, plan.tokens, {
          reserved: at.reserved,
        })
      : slots
  return takeSlots(stages, shared, plan, at, tokens)
}

/** One layer of a plan whose layers share slots, with its scores as selectTokens() takes them. */
export interface ScoredLayer {
  readonly plan: SelectionPlan
  readonly scores: Float32Array | readonly Float32Array[] | undefined
}

/**
 * The same for all layers of a plan, [layers][heads]: those with the pool `model` compete for the slots of all of them
 * (ties: the lower layer, then the lower head, then the lower position).
 */
export function selectOverLayers(
  layers: readonly ScoredLayer[],
  heads: number,
  tokens: number,
): Int32Array[][] {
  const pool = layers.filter(({ plan }) => plan.tokens.pool === 'model')
  const first = pool[0]
  const counts =
    first === undefined
      ? []
      : shareAmongHeads(
          pool.flatMap(({ plan, scores }) =>
            openScores(stagesOf(scores, heads, tokens)[0]!, rangesOf(plan, tokens), heads, tokens),
          ),
          Math.floor(poolSlots(pool, heads, tokens) / (heads * pool.length)),
          first.plan.tokens,
          {
            total: poolSlots(pool, heads, tokens),
            reserved: Math.min(...pool.map(({ plan }) => rangesOf(plan, tokens).reserved)),
          },
        )
  return layers.map(({ plan, scores }) => {
    const index = pool.findIndex((one) => one.plan === plan)
    if (index < 0) return selectTokens(scores, heads, tokens, plan)
    const own = counts.slice(index * heads, (index + 1) * heads)
    return takeSlots(stagesOf(scores, heads, tokens), own, plan, rangesOf(plan, tokens), tokens)
  })
}

const poolSlots = (pool: readonly ScoredLayer[], heads: number, tokens: number): number =>
  pool.reduce(
    (sum, { plan }) =>
      sum + slotsOf(plan, rangesOf(plan, tokens), heads, tokens).reduce((all, n) => all + n, 0),
    0,
  )

/** Which tokens are protected, and which compete. */
interface Ranges {
  readonly begin: number
  readonly lastBegin: number
  readonly first: readonly number[]
  readonly last: readonly number[]
  /** Protected ones between. */
  readonly between: readonly number[]
  readonly open: readonly number[]
  readonly reserved: number
}

function rangesOf({ protect }: SelectionPlan, tokens: number, candidates: number = tokens): Ranges {
  const begin = tokens - Math.min(candidates, tokens)
  const lastBegin = Math.max(begin, tokens - protect.last)
  const firstEnd = Math.min(Math.max(begin, protect.first), lastBegin)
  const range = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
  const first = range(begin, firstEnd)
  const last = range(lastBegin, tokens)
  const between = (protect.positions ?? []).filter((t) => t >= firstEnd && t < lastBegin)
  const named = new Set(between)
  const open = range(firstEnd, lastBegin).filter((t) => !named.has(t))
  return {
    begin,
    lastBegin,
    first,
    last,
    between,
    open,
    reserved: first.length + last.length + between.length,
  }
}

const stagesOf = (scores: ScoredLayer['scores'], heads: number, tokens: number): readonly Float32Array[] =>
  scores === undefined
    ? [new Float32Array(heads * tokens)]
    : scores instanceof Float32Array
      ? [scores]
      : scores

/** Slots of each head beside its protected tokens. */
const slotsOf = (plan: SelectionPlan, { begin, reserved }: Ranges, heads: number, tokens: number) =>
  headTokens(plan.tokens, heads).map((keep) => Math.max(0, Math.min(keep, tokens - begin) - reserved))

const openScores = (stage: Float32Array, { open }: Ranges, heads: number, tokens: number): Float32Array[] =>
  Array.from({ length: heads }, (_, head) => Float32Array.from(open, (t) => stage[head * tokens + t]!))

/** Kept positions of each head, in storage order. */
const takeSlots = (
  stages: readonly Float32Array[],
  slots: readonly number[],
  plan: SelectionPlan,
  at: Ranges,
  tokens: number,
): Int32Array[] =>
  slots.map((own, head) => {
    const best = fill(
      stages.map((stage) => stage.subarray(head * tokens, (head + 1) * tokens)),
      at.open,
      own,
      plan.stages,
      at.reserved,
    )
    const order =
      plan.order === 'score' ? [...at.between, ...best] : [...at.between, ...best].sort((a, b) => a - b)
    const kept = [...at.first, ...order, ...at.last]
    return Int32Array.from(plan.whole === undefined ? kept : wholeBlocks(kept, plan.whole, at))
  })

/** Without what is left of blocks that are not kept whole; protected tokens stay. */
function wholeBlocks(
  kept: readonly number[],
  whole: number,
  { first, last, begin, lastBegin }: Ranges,
): number[] {
  const from = begin + first.length
  const competes = (t: number) => t >= from && t < lastBegin
  const own = new Set(kept)
  const complete = (block: number) => {
    const end = Math.min((block + 1) * whole, lastBegin)
    for (let t = Math.max(block * whole, from); t < end; t++) if (!own.has(t)) return false
    return true
  }
  return kept.filter((t) => !competes(t) || last.includes(t) || complete(Math.floor(t / whole)))
}

/** Fills slots stage by stage, each with the best of the tokens that are left. */
function fill(
  stages: readonly Float32Array[],
  open: readonly number[],
  slots: number,
  plans: SelectionPlan['stages'],
  reserved: number,
): number[] {
  const taken: number[] = []
  let left = open
  // A share that was meant to be whole, such as 0.1 of 30, must not lose a slot to its rounding.
  const part = (i: number) => {
    const { share, of } = plans[i] ?? { share: 1 }
    const beside = of === 'kept' ? reserved : 0
    return Math.max(0, Math.floor(share * (slots + beside) + 1e-9) - beside)
  }
  for (const [i, scores] of stages.entries()) {
    const rest = slots - taken.length
    const count = i === stages.length - 1 ? rest : Math.min(rest, part(i))
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
