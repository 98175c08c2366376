import { expected, type KvError } from '../errors.ts'
import type { ModelFacts } from '../facts.ts'
import { isPlainObject } from '../json.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkFormat } from './check-format.ts'
import { checkScore } from './check-score.ts'
import { checkKeys, checkResidual, checkValues } from './check-storage.ts'
import type { CompressionPlan, LayerPlan, SegmentPlan, TierCounts, TierShare } from './layer-plan.ts'
import { PLAN_VERSION } from './load-plan.ts'
import { storedHeads } from './plan-bytes.ts'

/** Tokens beyond any text; an engine counts them in 32 bits. */
const MOST_TOKENS = 2 ** 30

/**
 * Holds a plan that comes from outside, such as from the file of a saved context, against what an engine can run for this
 * model: every field, not only its version, as loadPlan() does. Throws KV_INVALID_SPEC, KV_METHOD, KV_UNSUPPORTED or KV_INVALID_OPTION, naming the field.
 */
export function checkPlan(value: unknown, model: ModelFacts): CompressionPlan {
  if (!isPlainObject(value) || value['planVersion'] !== PLAN_VERSION)
    throw invalid(`a plan of version ${PLAN_VERSION}`, 'the plan', value)
  const plan = value as unknown as CompressionPlan
  refuseUnknown(
    plan,
    ['planVersion', 'heads', 'promptTokens', 'userEnd', 'calibration', 'notes', 'layers'],
    'plan',
    'KV_INVALID_SPEC',
    'field',
  )
  oneOf(plan.heads, ['kv', 'query'], 'plan.heads')
  count(plan.promptTokens, 'plan.promptTokens', 1)
  if (plan.userEnd !== undefined) count(plan.userEnd, 'plan.userEnd', 1)
  const layers: unknown = plan.layers
  if (!Array.isArray(layers) || layers.length !== model.layers)
    throw invalid(`${model.layers} layers, as many as the model has,`, 'plan.layers', layers)
  const heads = storedHeads(plan.heads, model)
  plan.layers.forEach((layer, l) => {
    checkLayer(layer, heads, model.headDim, `plan.layers[${l}]`)
  })
  return plan
}

const layerFields: Record<keyof Required<LayerPlan>, true> = {
  tokens: true,
  kept: true,
  simulated: true,
  keys: true,
  values: true,
  segments: true,
  residual: true,
  stages: true,
  protect: true,
  whole: true,
  order: true,
  evict: true,
  positions: true,
}

function checkLayer(layer: LayerPlan, heads: number, headDim: number, path: string): void {
  object(layer, path)
  refuseUnknown(layer, Object.keys(layerFields), path, 'KV_INVALID_SPEC', 'field')
  checkTokens(layer, heads, `${path}.tokens`)
  checkKeys(object(layer.keys, `${path}.keys`), headDim, `${path}.keys`)
  checkValues(object(layer.values, `${path}.values`), headDim, `${path}.values`)
  checkResidual(object(layer.residual, `${path}.residual`), `${path}.residual`)
  list(layer.segments, `${path}.segments`).forEach((segment, i) => {
    checkSegment(segment as SegmentPlan, heads, headDim, `${path}.segments[${i}]`)
  })
  checkOrder(layer.segments, `${path}.segments`)
  list(layer.stages, `${path}.stages`).forEach((stage, i) => {
    const { score, share } = object(stage, `${path}.stages[${i}]`) as Partial<LayerPlan['stages'][number]>
    checkScore(score, `${path}.stages[${i}].score`)
    checkShare(share, 1, `${path}.stages[${i}].share`)
  })
  const { first, last, positions = [] } = object(layer.protect, `${path}.protect`)
  count(first, `${path}.protect.first`)
  count(last, `${path}.protect.last`)
  list(positions, `${path}.protect.positions`).forEach((position) => {
    count(position, `${path}.protect.positions`)
  })
  if (layer.whole !== undefined) count(layer.whole, `${path}.whole`, 1)
  oneOf(layer.order, ['position', 'score'], `${path}.order`)
  oneOf(layer.positions, ['true', 'cache'], `${path}.positions`)
  checkEviction(layer.evict, `${path}.evict`)
}

function checkTokens({ tokens }: LayerPlan, heads: number, path: string): void {
  const { perHead, pool, floor, guard, weigh, rounding, capacity } = object(tokens, path)
  if (Array.isArray(perHead)) {
    if (perHead.length !== heads)
      throw invalid(`${heads} numbers, one per stored head,`, `${path}.perHead`, perHead)
    for (const one of perHead) count(one, `${path}.perHead`)
  } else count(perHead, `${path}.perHead`)
  oneOf(pool, ['head', 'layer', 'model'], `${path}.pool`)
  if (!(floor >= 0 && floor <= 1)) throw invalid('a number from 0 to 1', `${path}.floor`, floor)
  oneOf(guard, [undefined, 'least'], `${path}.guard`)
  oneOf(weigh, [undefined, 'top-share'], `${path}.weigh`)
  oneOf(rounding, [undefined, 'each'], `${path}.rounding`)
  if (capacity !== undefined) count(capacity, `${path}.capacity`, 1)
}

function checkSegment(segment: SegmentPlan, heads: number, headDim: number, path: string): void {
  const { role, tokens, key, value } = object(segment, path)
  oneOf(role, ['sinks', 'packed', 'recent'], `${path}.role`)
  if (typeof tokens === 'object') checkTier(object(tokens, `${path}.tokens`), heads, `${path}.tokens`)
  else if (tokens !== 'rest') count(tokens, `${path}.tokens`)
  checkFormat(object(key, `${path}.key`), headDim, `${path}.key`)
  checkFormat(object(value, `${path}.value`), headDim, `${path}.value`)
}

/** A tier's share, or its tokens head by head; heads that are not listed have none. */
function checkTier(tier: TierShare | TierCounts, heads: number, path: string): void {
  if ('share' in tier) {
    checkShare(tier.share, 1, `${path}.share`)
    return
  }
  if (!Array.isArray(tier.counts) || tier.counts.length > heads)
    throw invalid(`at most ${heads} numbers, one per stored head,`, `${path}.counts`, tier.counts)
  for (const one of tier.counts) count(one, `${path}.counts`)
}

/** Sinks, then tiers, then `recent`, which is exact like the sinks. */
function checkOrder(segments: readonly SegmentPlan[], path: string): void {
  const roles = segments.map(({ role }) => role)
  if (!/^(sinks )?(packed )*recent$/.test(roles.join(' ')))
    throw invalid('sinks, packed and recent, in this order,', path, roles)
  const exact = segments.filter(({ role }) => role !== 'packed')
  if (exact.some(({ key, value }) => key.bits !== 16 || value.bits !== 16))
    throw invalid('exact formats of sinks and recent', path, roles)
}

function checkEviction(evict: LayerPlan['evict'], path: string): void {
  if (typeof evict !== 'object') {
    oneOf(evict, ['never', 'fifo'], path)
    return
  }
  const { by, every, capacity, measure } = object(evict, path)
  if (measure !== undefined) oneOf(measure, ['anew'], `${path}.measure`)
  checkScore(by, `${path}.by`)
  count(every, `${path}.every`, 1)
  count(capacity, `${path}.capacity`, 1)
}

const invalid = (what: string, path: string, received: unknown): KvError =>
  expected(what, path, received, 'KV_INVALID_SPEC')

function object<T>(value: T, path: string): T & object {
  if (!isPlainObject(value)) throw invalid('an object', path, value)
  return value
}

function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid('a list', path, value)
  return value
}

function oneOf(value: unknown, known: readonly unknown[], path: string): void {
  if (!known.includes(value))
    throw invalid(
      `one of ${known
        .filter((one) => one !== undefined)
        .map(String)
        .join(', ')}`,
      path,
      value,
    )
}

function count(value: unknown, path: string, least = 0): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > MOST_TOKENS)
    throw invalid(`a whole number from ${least}`, path, value)
}

function checkShare(value: unknown, most: number, path: string): void {
  if (!(typeof value === 'number' && value > 0 && value <= most))
    throw invalid('a number above 0 and at most 1', path, value)
}
