import { expected } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import type { Measure } from '../method/allocator.ts'
import type { ScoreInput } from '../method/score-input.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkScore } from '../plan/check-score.ts'
import { exactFormat } from '../plan/formats.ts'
import type { CompressionPlan, LayerPlan } from '../plan/layer-plan.ts'
import type { Draft } from './draft.ts'
import { protectionAt } from './protect-tokens.ts'

/**
 * The plan of a pass through the prompt that only measures: what the allocator wants to see of each layer are the scores of
 * its stages, and next to nothing is stored. Undefined where the allocator measures nothing.
 */
export function measuringPlan(draft: Draft): CompressionPlan | undefined {
  const { spec, prompt, methods } = draft
  if (!methods.allocator.measure) return undefined
  const asked = draft.layers.map(({ layer }) => askedOf(draft, layer))
  if (asked.every((one) => one === undefined)) return undefined
  const userEnd = prompt.userEnd ?? prompt.tokens
  return {
    planVersion: 2,
    heads: spec.heads ?? 'kv',
    promptTokens: prompt.tokens,
    ...(userEnd < prompt.tokens && { userEnd }),
    layers: asked.map((one, layer) =>
      measuringLayer(one, `${methods.names.allocator}.measure (layer ${layer})`, prompt.tokens),
    ),
  }
}

function askedOf({ methods, model, prompt, layers }: Draft, layer: number): Measure | undefined {
  const { selection, least, candidates, named } = layers[layer]!
  const [stage] = selection.stages
  const { last } = protectionAt(selection.protect, least, candidates, named)
  return methods.allocator.measure?.({ model, prompt, layer, last, ...(stage && { score: stage.score }) })
}

/** As many as a selection has stages at most. */
const MOST_SCORES = 4
const scoresOf = (asked: Pick<Measure, 'score'> | undefined): readonly ScoreInput[] =>
  asked === undefined ? [] : [asked.score].flat()

function measuringLayer(asked: Measure | undefined, path: string, tokens: number): LayerPlan {
  if (asked !== undefined && !isPlainObject(asked))
    throw expected('an object such as { score: { stat: … } }', path, asked, 'KV_METHOD')
  if (asked) refuseUnknown(asked, ['score', 'last'], path, 'KV_METHOD', 'field')
  const { last = 0 } = asked ?? {}
  const scores = scoresOf(asked)
  if ((asked && scores.length === 0) || scores.length > MOST_SCORES)
    throw expected(`one to ${MOST_SCORES} scores`, `${path}.score`, scores.length, 'KV_METHOD')
  if (!Number.isSafeInteger(last) || last < 0)
    throw expected('a whole number from 0', `${path}.last`, last, 'KV_METHOD')
  const unscored = Math.min(last, tokens)
  return {
    tokens: { perHead: Math.max(1, unscored), pool: 'head', floor: 0 },
    keys: { rope: 'after', transform: 'none' },
    values: { transform: 'none' },
    segments: [{ role: 'recent', tokens: 'rest', key: exactFormat(), value: exactFormat() }],
    residual: { keys: 'never', values: 'never' },
    stages: scores.map((score, i) => ({
      score: checkScore(score, scores.length > 1 ? `${path}.score[${i}]` : `${path}.score`),
      share: 1 / scores.length,
    })),
    protect: { first: 0, last: unscored },
    order: 'position',
    evict: 'never',
    positions: 'true',
  }
}

/** Throws KV_METHOD for measurements that are not those of the plan above. */
export function checkMeasured(measured: readonly Float32Array[] | undefined, draft: Draft): void {
  const { layers, storedHeads, prompt, methods } = draft
  if (measured === undefined || !methods.allocator.measure) return
  const sizes = layers.map(
    ({ layer }) => scoresOf(askedOf(draft, layer)).length * storedHeads * prompt.tokens,
  )
  if (measured.length !== layers.length || measured.some((scores, l) => scores.length !== sizes[l]))
    throw expected(
      `${layers.length} arrays of ${[...new Set(sizes)].join(' or ')} numbers, [scores, storedHeads, tokens],`,
      'measured',
      measured.map(({ length }) => length),
      'KV_METHOD',
    )
}
