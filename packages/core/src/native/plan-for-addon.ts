import {
  KvError,
  solverOf,
  type CompressionPlan,
  type LayerPlan,
  type LayerPlan1,
  type Plan1,
  type ScoreNode,
  type TensorFormat,
  type TensorFormat1,
} from '@qpkv/spec'

/*
 * The addon reads plans of version 1: this is their one place. What version 1 cannot say is refused by the plan's field.
 */

/** A plan as the addon reads it: in the words of version 1 where they can say it, else as it stands. */
export function planForAddon(plan: CompressionPlan, replacesScores = false): Plan1 {
  try {
    return planInWordsOf1(plan, replacesScores)
  } catch (error) {
    if (!replacesScores && KvError.isInstance(error) && error.code === 'KV_UNSUPPORTED')
      return plan as unknown as Plan1
    throw error
  }
}

const planInWordsOf1 = (plan: CompressionPlan, replacesScores: boolean): Plan1 => ({
  ...plan,
  planVersion: 1,
  layers: plan.layers.map((layer, l) => {
    const words = layerForAddon(layer, `layers[${l}]`)
    // A score() hook replaces what the whole expression gives: the addon hands out the statistic and must not go on from it.
    if (replacesScores && (words.smooth || words.prefer === 'lowest'))
      throw unsupported(`layers[${l}].stages beside score()`, layer.stages)
    return words
  }),
})

/** A layer's plan in the words of version 1. */
export function layerForAddon(layer: LayerPlan, path = 'layer'): LayerPlan1 {
  const { tokens, keys, evict, residual, stages, ...rest } = layer
  const { perHead } = tokens
  if (typeof perHead !== 'number') throw unsupported(`${path}.tokens.perHead`, perHead)
  if (stages.length > 1) throw unsupported(`${path}.stages`, stages.length)
  const score = stages[0] && scoreForAddon(stages[0].score, `${path}.stages[0].score`)
  if (typeof evict === 'object' && JSON.stringify(evict.by) !== JSON.stringify(stages[0]?.score))
    throw unsupported(`${path}.evict.by`, evict.by)
  const capacity = typeof evict === 'object' ? evict.capacity : tokens.capacity
  return {
    ...rest,
    tokens: { ...tokens, perHead, ...(capacity !== undefined && { capacity }) },
    segments: layer.segments.map((segment) => {
      if (typeof segment.tokens === 'object') throw unsupported(`${path}.segments`, segment.tokens)
      return {
        ...segment,
        tokens: segment.tokens,
        key: formatForAddon(segment.key, keys.rope),
        value: formatForAddon(segment.value, 'after'),
      }
    }),
    residual: residual.keys === 'group' ? 'unified' : residual.keys === 'block' ? 'kivi' : 'never',
    observe: score?.observe ?? { what: 'nothing' },
    ...(score?.smooth && { smooth: score.smooth }),
    prefer: score?.prefer ?? 'highest',
    evict: typeof evict === 'object' ? 'lowest-score' : evict,
  }
}

const unsupported = (path: string, value: unknown) =>
  new KvError('KV_UNSUPPORTED', `${path} is ${JSON.stringify(value)}; this engine cannot run it.`)

type Score1 = Pick<LayerPlan1, 'observe' | 'smooth' | 'prefer'>

/** [scale -1] [pool] [group] statistic, in this order. */
function scoreForAddon(node: ScoreNode, path: string): Score1 {
  let at = node
  let prefer: Score1['prefer'] = 'highest'
  let smooth: Score1['smooth']
  if ('op' in at && at.op === 'scale' && at.factor === -1 && (at.offset ?? 0) === 0) {
    prefer = 'lowest'
    at = at.of[0]
  }
  if ('op' in at && at.op === 'pool' && (at.skipFirst ?? 0) === 0) {
    const { pool, kernel, padding } = at
    smooth = { pool, kernel, padding }
    at = at.of[0]
  }
  const group = 'op' in at && at.op === 'group' && (at.over ?? 'heads') === 'heads' ? at : undefined
  const stat = group ? group.of[0] : at
  const words = { ...(smooth && { smooth }), prefer }
  if ('stat' in stat) {
    if (group && stat.stat === 'attention' && (stat.reduce === 'sum' || stat.reduce === 'mean')) {
      const { queries, mask, reduce } = stat
      return { ...words, observe: { what: 'attention', queries, mask, reduce, group: group.by } }
    }
    if (!group && (stat.stat === 'key-norm' || stat.stat === 'key-similarity'))
      return { ...words, observe: { what: stat.stat } }
  }
  throw unsupported(path, node)
}

function formatForAddon(format: TensorFormat, rope: 'after' | 'before'): TensorFormat1 {
  if (format.bits === 16) return { ...format, rope }
  const { solver } = format
  const version = (['0.2.2', '0.2.8'] as const).find(
    (name) => JSON.stringify(solverOf(`hqq-${name}`)) === JSON.stringify(solver),
  )
  if (solver.kind === 'proximal' && version === undefined) throw unsupported('solver', solver)
  return {
    ...format,
    solver: version === undefined ? { kind: 'min-max' } : { kind: 'hqq', version },
    rope,
    center: 'none',
    rotate: 'none',
  }
}
