import { describeValue, expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import type { SharingRule } from '../method/sharing.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { TokenShare } from '../plan/layer-plan.ts'
import type { ScoreNode } from '../plan/score.ts'
import type { Statistic } from '../plan/statistic.ts'
import { statistics } from '../plan/statistics.ts'
import type { CheckedSelection } from './check-selection.ts'

/** Who competes for a layer's slots, as its plan says it. */
export type CheckedSharing = Omit<TokenShare, 'perHead' | 'capacity'>

/** Every head for itself. */
export const apart: CheckedSharing = { pool: 'head', floor: 0 }

const known: Readonly<Record<string, readonly unknown[]>> = {
  pool: ['head', 'layer', 'model'],
  guard: [undefined, 'least'],
  weigh: [undefined, 'top-share'],
  rounding: [undefined, 'each'],
}

/** Throws KV_UNSUPPORTED for values that no engine runs, KV_METHOD for what makes no sense, naming the field. */
export function checkSharing(rule: SharingRule, selection: CheckedSelection, layer: number): CheckedSharing {
  const path = `share (layer ${layer})`
  if (!isPlainObject(rule)) throw expected('an object such as { pool: "layer" }', path, rule, 'KV_METHOD')
  refuseUnknown(rule, ['pool', 'floor', 'guard', 'weigh', 'rounding'], path, 'KV_METHOD', 'field')
  const { pool, floor = 0, guard, weigh, rounding } = rule
  for (const [field, values] of Object.entries(known)) {
    const value = rule[field as keyof SharingRule]
    if (!values.includes(value))
      throw new KvError(
        'KV_UNSUPPORTED',
        `${path}.${field} is ${describeValue(value)}; no engine runs that.`,
        {
          hint: `Known: ${values.flatMap((v) => (v === undefined ? [] : [describeValue(v)])).join(', ')}.`,
        },
      )
  }
  if (!(floor >= 0 && floor <= 1)) throw expected('a number from 0 to 1', `${path}.floor`, floor, 'KV_METHOD')
  // Where nothing is observed there is nothing to compete with.
  if (pool === 'head' || selection.stages.length === 0) return apart
  const problem = conflict(rule, selection)
  if (problem)
    throw new KvError(
      'KV_UNSUPPORTED',
      `prune (layer ${layer}).${problem} while heads share slots; no engine runs that.`,
      { hint: 'Leave one of the two out: share=none keeps every head for itself.' },
    )
  return { pool, floor, ...(guard && { guard }), ...(weigh && { weigh }), ...(rounding && { rounding }) }
}

/** Heads that share slots need scores to compare, and decode has no rule for who gives one up. */
function conflict(
  { weigh }: SharingRule,
  { evict, positions, stages }: CheckedSelection,
): string | undefined {
  if (evict !== 'never') return `evict is ${describeValue(evict)}`
  if (positions === 'cache') return 'positions is "cache"'
  if (weigh !== undefined && stages.some(({ score }) => !neverNegative(score)))
    return 'score can be below 0, where weigh has no meaning,'
  return undefined
}

const signed: ReadonlySet<string> = new Set(
  Object.values<Statistic>(statistics).flatMap((it) => (it.signed ? [it.name] : [])),
)

/** Whether a score cannot be below 0, so that a part of a sum is a share. */
function neverNegative(node: ScoreNode): boolean {
  if ('stat' in node) return !signed.has(node.stat)
  switch (node.op) {
    case 'softmax':
    case 'rank-in-blocks':
    case 'entropy-gate':
      return true
    case 'z-score':
      return false
    case 'scale':
      return node.factor >= 0 && (node.offset ?? 0) >= 0 && node.of.every(neverNegative)
    case 'power':
      return node.exponent % 2 === 0 || node.of.every(neverNegative)
    case 'constant':
      return (node.value === 'above' || node.value >= 0) && node.of.every(neverNegative)
    case 'add':
    case 'block-pool':
    case 'group':
    case 'multiply':
    case 'pool':
      break
  }
  return node.of.every(neverNegative)
}
