import { describeValue, expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import type { ProtectionRule, ScoreEvictionInput, Selection, StageInput } from '../method/pruner.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkScore } from '../plan/check-score.ts'
import { newestQueries } from './newest-queries.ts'
import type { LayerPlan, ScoreEviction } from '../plan/layer-plan.ts'

/** A pruner's answer for a layer, checked and with nothing left out. */
export interface CheckedSelection {
  readonly stages: LayerPlan['stages']
  readonly protect: ProtectionRule
  readonly whole?: number
  readonly order: LayerPlan['order']
  readonly evict: 'never' | 'fifo' | CheckedEviction
  readonly positions: LayerPlan['positions']
}

/** See ScoreEviction; `capacity` left out is what the layer may keep. */
export type CheckedEviction = Omit<ScoreEviction, 'capacity'> & Pick<ScoreEvictionInput, 'capacity'>

const fields = ['score', 'stages', 'protect', 'whole', 'order', 'evict', 'positions'] as const
/** Fields of older contracts, and what says it now. */
const moved: Readonly<Record<string, string>> = {
  observe: 'score: { stat: … }',
  smooth: "score: { op: 'pool', of: [ … ] }",
  prefer: "score: { op: 'scale', factor: -1, of: [ … ] }",
  pool: "the pruner's share, or the spec's",
  floor: "the pruner's share, or the spec's",
}

/** Throws KV_UNSUPPORTED for values that no engine runs, KV_METHOD for what makes no sense, naming the field. */
export function checkSelection(selection: Selection, layer: number): CheckedSelection {
  const path = `prune (layer ${layer})`
  if (!isPlainObject(selection)) throw expected('an object', path, selection, 'KV_METHOD')
  for (const [name, now] of Object.entries(moved))
    if (name in selection)
      throw new KvError('KV_METHOD', `Unknown field ${path}.${name}.`, {
        hint: `Contract 2 says it with ${now}; docs/from-0.1-to-0.2.md has all of them.`,
      })
  refuseUnknown(selection, fields, path, 'KV_METHOD', 'field')
  const { order = 'position', positions = 'true', whole } = selection
  refuseOthers(order, ['position', 'score'], `${path}.order`)
  refuseOthers(positions, ['true', 'cache'], `${path}.positions`)
  if (whole !== undefined && (!isCount(whole) || whole === 0))
    throw expected('a whole number from 1', `${path}.whole`, whole, 'KV_METHOD')
  return {
    stages: checkStages(selection, path),
    protect: checkProtection(selection.protect, `${path}.protect`),
    ...(whole !== undefined && { whole }),
    order,
    positions,
    evict: checkEviction(selection.evict, `${path}.evict`),
  }
}

function refuseOthers(value: unknown, known: readonly string[], path: string): void {
  if (known.includes(value as string)) return
  throw new KvError('KV_UNSUPPORTED', `${path} is ${describeValue(value)}; no engine runs that.`, {
    hint: `Known: ${known.join(', ')}.`,
  })
}

function checkStages({ score, stages }: Selection, path: string): LayerPlan['stages'] {
  if (score !== undefined && stages !== undefined)
    throw new KvError('KV_METHOD', `${path} has a score and stages; give one of them.`)
  if (score === undefined && stages === undefined)
    throw new KvError('KV_METHOD', `${path}.score is missing.`, {
      hint: 'Say what a token is worth, such as { stat: "key-norm" }, or null where nothing is observed.',
    })
  if (score === null) return []
  if (stages === undefined) return [{ score: checkScore(score, `${path}.score`), share: 1 }]
  if (!Array.isArray(stages) || stages.length === 0)
    throw expected('a list of stages', `${path}.stages`, stages, 'KV_METHOD')
  const checked = stages.map((stage: StageInput, i) => {
    const at = `${path}.stages[${i}]`
    requireObject(stage, '{ score, share }', at)
    refuseUnknown(stage, ['score', 'share', 'of'], at, 'KV_METHOD', 'field')
    if (stage.of !== undefined) refuseOthers(stage.of, ['kept'], `${at}.of`)
    if (!(stage.share > 0 && stage.share <= 1))
      throw expected('a number above 0 and at most 1', `${at}.share`, stage.share, 'KV_METHOD')
    return {
      score: checkScore(stage.score, `${at}.score`),
      share: stage.share,
      ...(stage.of && { of: stage.of }),
    }
  })
  const sum = checked.reduce((total, { share }) => total + share, 0)
  if (Math.abs(sum - 1) > 1e-9) throw expected('shares that add up to 1', `${path}.stages`, sum, 'KV_METHOD')
  return checked
}

function requireObject(value: unknown, what: string, path: string): void {
  if (!isPlainObject(value)) throw expected(what, path, value, 'KV_METHOD')
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0

function checkProtection(protect: ProtectionRule | undefined, path: string): ProtectionRule {
  if (!isPlainObject(protect))
    throw expected(
      'an object such as { first: 4, last: 32 }',
      path,
      protect,
      'KV_METHOD',
      'Say {} where no token is always kept.',
    )
  const { first = 0, last = 0, positions, tokenIds } = protect as ProtectionRule
  refuseUnknown(protect, ['first', 'last', 'positions', 'tokenIds'], path, 'KV_METHOD', 'field')
  if (first !== 'rest' && !isCount(first))
    throw expected("a whole number from 0, or 'rest',", `${path}.first`, first, 'KV_METHOD')
  if (typeof last === 'object') {
    requireObject(last, '{ share, beside }', `${path}.last`)
    refuseUnknown(last, ['share', 'beside'], `${path}.last`, 'KV_METHOD', 'field')
    if (!(last.share > 0 && last.share <= 1) || !isCount(last.beside))
      throw expected('{ share, beside } with a share above 0', `${path}.last`, last, 'KV_METHOD')
  } else if (last !== 'rest' && !isCount(last))
    throw expected("a whole number from 0, 'rest' or a share", `${path}.last`, last, 'KV_METHOD')
  if (first === 'rest' && typeof last !== 'number')
    throw new KvError('KV_METHOD', `${path}.first is 'rest'; then last has to be a number.`)
  for (const [name, list] of [
    ['positions', positions],
    ['tokenIds', tokenIds],
  ] as const)
    if (list !== undefined && !(Array.isArray(list) && list.every(isCount)))
      throw expected('a list of whole numbers from 0', `${path}.${name}`, list, 'KV_METHOD')
  return protect
}

function checkEviction(evict: Selection['evict'] = 'never', path: string): CheckedSelection['evict'] {
  if (typeof evict !== 'object') {
    refuseOthers(evict, ['never', 'fifo'], path)
    return evict
  }
  requireObject(evict, '{ by, every, capacity, measure }', path)
  const { by, every = 1, capacity, measure } = evict
  refuseUnknown(evict, ['by', 'every', 'capacity', 'measure'], path, 'KV_METHOD', 'field')
  for (const [name, value] of [
    ['every', every],
    ['capacity', capacity ?? 1],
  ] as const)
    if (!isCount(value) || value === 0)
      throw expected('a whole number from 1', `${path}.${name}`, value, 'KV_METHOD')
  if (measure !== undefined) refuseOthers(measure, ['anew'], `${path}.measure`)
  const checked = checkScore(by, `${path}.by`)
  const observing = measure === 'anew' ? newestQueries(checked, `${path}.by`) : 0
  if (observing > every)
    throw expected(
      `at least ${observing}, as many tokens as queries observe,`,
      `${path}.every`,
      every,
      'KV_METHOD',
    )
  return {
    by: checked,
    every,
    ...(capacity !== undefined && { capacity }),
    ...(measure !== undefined && { measure }),
  }
}
