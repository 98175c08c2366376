import { expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { solverOf } from '../method/kivi-storage.ts'
import { checkScore } from './check-score.ts'
import type { CompressionPlan, LayerPlan, Residual, Transform } from './layer-plan.ts'
import type { LayerPlan1, Plan1, TensorFormat1 } from './plan-1.ts'
import type { ScoreNode } from './score.ts'
import type { TensorFormat } from './tensor-format.ts'

/** Version that plans are written in; loadPlan() reads older ones. */
export const PLAN_VERSION = 2

/**
 * Reads a plan of any version that was ever written, from parsed JSON. Its fields are taken as they are: plans are
 * written by programs. Throws KV_INVALID_SPEC for what is no plan, and for a newer version.
 */
export function loadPlan(value: unknown): CompressionPlan {
  if (!isPlainObject(value)) throw expected('an object', 'the plan', value, 'KV_INVALID_SPEC')
  const version = value['planVersion']
  if (version === 1) return upgradePlan(value as unknown as Plan1)
  if (version === PLAN_VERSION) return value as unknown as CompressionPlan
  throw new KvError(
    'KV_INVALID_SPEC',
    `The plan has version ${String(version)}; this qpkv reads up to ${PLAN_VERSION}.`,
    { hint: 'Install a newer qpkv.' },
  )
}

/** A plan of version 1 in today's words. */
export const upgradePlan = (plan: Plan1): CompressionPlan => ({
  ...plan,
  planVersion: PLAN_VERSION,
  layers: plan.layers.map(upgradeLayerPlan),
})

/** A layer of a plan of version 1 in today's words. */
export function upgradeLayerPlan(layer: LayerPlan1): LayerPlan {
  const { perHead, capacity = perHead, ...share } = layer.tokens
  const score = upgradeScore(layer)
  const first = layer.segments[0]
  const byScore = layer.evict === 'lowest-score' && score !== undefined
  return {
    tokens: { perHead, ...share, ...(layer.evict === 'fifo' && capacity !== perHead && { capacity }) },
    ...(layer.kept && { kept: layer.kept }),
    ...(layer.simulated && { simulated: layer.simulated }),
    keys: { rope: first?.key.rope ?? 'after', transform: upgradeTransform(first?.key) },
    values: { transform: upgradeTransform(first?.value) },
    segments: layer.segments.map(({ key, value, ...segment }) => ({
      ...segment,
      key: upgradeFormat(key),
      value: upgradeFormat(value),
    })),
    residual: residuals[layer.residual],
    stages: score === undefined ? [] : [{ score, share: 1 }],
    protect: layer.protect,
    order: layer.order,
    evict: byScore ? { by: score, every: 1, capacity } : (layer.evict as 'never' | 'fifo'),
    positions: layer.positions,
  }
}

const residuals: Record<LayerPlan1['residual'], Residual> = {
  unified: { keys: 'group', values: 'group' },
  kivi: { keys: 'block', values: 'token' },
  never: { keys: 'never', values: 'never' },
}

function upgradeScore({ observe, smooth, prefer }: LayerPlan1): ScoreNode | undefined {
  if (observe.what === 'nothing') return undefined
  let node: unknown =
    observe.what === 'attention'
      ? {
          op: 'group',
          by: observe.group,
          of: [{ stat: 'attention', queries: observe.queries, mask: observe.mask, reduce: observe.reduce }],
        }
      : { stat: observe.what }
  if (smooth) node = { op: 'pool', ...smooth, of: [node] }
  if (prefer === 'lowest') node = { op: 'scale', factor: -1, of: [node] }
  return checkScore(node, 'observe')
}

function upgradeTransform(format: TensorFormat1 | undefined): Transform {
  if (format === undefined || format.bits === 16) return 'none'
  return format.rotate === 'hadamard' ? 'hadamard' : format.center === 'mean' ? 'center' : 'none'
}

/** A format of a plan of version 1 in today's words. */
export function upgradeFormat(format: TensorFormat1): TensorFormat {
  if (format.bits === 16) return { bits: 16, element: format.element }
  const { rope: _r, center: _c, rotate: _h, solver, ...kept } = format
  return {
    ...kept,
    solver: solver.kind === 'min-max' ? solver : solverOf(`hqq-${solver.version}`),
  }
}
