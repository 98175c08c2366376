import { expected } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import type { Measure } from '../method/allocator.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkScore } from '../plan/check-score.ts'
import { exactFormat } from '../plan/formats.ts'
import type { CompressionPlan, LayerPlan } from '../plan/layer-plan.ts'
import type { Draft } from './draft.ts'

/**
 * The plan of a pass through the prompt that only measures: what the allocator wants to see of each layer is the score of
 * its one stage, and next to nothing is stored. Undefined where the allocator measures nothing.
 */
export function measuringPlan(draft: Draft): CompressionPlan | undefined {
  const { spec, prompt, model, methods } = draft
  const { measure } = methods.allocator
  if (!measure) return undefined
  const userEnd = prompt.userEnd ?? prompt.tokens
  return {
    planVersion: 2,
    heads: spec.heads ?? 'kv',
    promptTokens: prompt.tokens,
    ...(userEnd < prompt.tokens && { userEnd }),
    layers: draft.layers.map(({ layer }) =>
      measuringLayer(
        measure({ model, prompt, layer }),
        `${methods.names.allocator}.measure (layer ${layer})`,
        prompt.tokens,
      ),
    ),
  }
}

function measuringLayer(asked: Measure, path: string, tokens: number): LayerPlan {
  if (!isPlainObject(asked))
    throw expected('an object such as { score: { stat: … } }', path, asked, 'KV_METHOD')
  refuseUnknown(asked, ['score', 'last'], path, 'KV_METHOD', 'field')
  const { score, last = 0 } = asked
  if (!Number.isSafeInteger(last) || last < 0)
    throw expected('a whole number from 0', `${path}.last`, last, 'KV_METHOD')
  const unscored = Math.min(last, tokens)
  return {
    tokens: { perHead: Math.max(1, unscored), pool: 'head', floor: 0 },
    keys: { rope: 'after', transform: 'none' },
    values: { transform: 'none' },
    segments: [{ role: 'recent', tokens: 'rest', key: exactFormat(), value: exactFormat() }],
    residual: { keys: 'never', values: 'never' },
    stages: [{ score: checkScore(score, `${path}.score`), share: 1 }],
    protect: { first: 0, last: unscored },
    order: 'position',
    evict: 'never',
    positions: 'true',
  }
}

/** Throws KV_METHOD for measurements that are not those of the plan above. */
export function checkMeasured(
  measured: readonly Float32Array[] | undefined,
  { layers, storedHeads, prompt, methods }: Draft,
): void {
  if (measured === undefined || !methods.allocator.measure) return
  const size = storedHeads * prompt.tokens
  if (measured.length !== layers.length || measured.some((scores) => scores.length !== size))
    throw expected(
      `${layers.length} arrays of ${size} numbers, [storedHeads, tokens],`,
      'measured',
      measured.map(({ length }) => length),
      'KV_METHOD',
    )
}
