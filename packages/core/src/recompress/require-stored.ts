import { statistics, statisticsOf, type CompressionPlan, type LayerPlan, type Statistic } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { ResolvedSpec } from '../resolve-all.ts'

/** What passes by while a prompt is read, and is gone afterwards. */
const GONE = new Set(['queries', 'queriesBefore', 'outputs', 'replay'])
const readings = new Map(
  Object.values<Statistic>(statistics).map(({ name, reads }) => [name, reads as readonly string[]]),
)

/**
 * Per layer, whether the running scores that the context has kept take the place of the spec's: where it evicts by the very
 * score that the spec wants.
 * @throws KV_UNSUPPORTED for what cannot be had from a cache, naming what can.
 */
export function requireStored(
  resolved: ResolvedSpec,
  current: CompressionPlan,
  dropped: readonly boolean[],
): boolean[] {
  const { plan, measuring, hooks } = resolved
  if (measuring !== undefined)
    refuse(
      'Its allocator measures the prompt, which is not read again',
      'Leave the allocator out, or prefill again.',
    )
  if (hooks.score)
    refuse('Its pruner scores the prompt in TypeScript', 'Prefill again, or choose another pruner.')
  if (hooks.roundTrip)
    refuse('Its quantizer runs in TypeScript, in prefill only', 'Prefill again, or choose another quantizer.')
  if (current.heads === 'query' && plan.heads !== 'query')
    refuse(
      'The context holds tokens per query head, the spec asks for KV heads',
      "Say heads: 'query' (#heads=query).",
    )
  return plan.layers.map((layer, at) => {
    if (layer.whole !== undefined && dropped[at] === true)
      refuse(
        'Its pruner keeps whole blocks of the text, of which tokens are gone',
        'Choose a pruner that keeps single tokens.',
      )
    return runsOn(layer, current.layers[at], at)
  })
}

function runsOn(layer: LayerPlan, current: LayerPlan | undefined, at: number): boolean {
  const scores = [
    ...layer.stages.map(({ score }) => score),
    ...(typeof layer.evict === 'object' ? [layer.evict.by] : []),
  ]
  const gone = scores
    .flatMap(statisticsOf)
    .find(({ stat }) => readings.get(stat)?.some((reading) => GONE.has(reading)))
  if (!gone) return false
  const evict =
    typeof current?.evict === 'object' && current.evict.measure === undefined ? current.evict : undefined
  const running = evict && JSON.stringify(evict.by)
  if (layer.stages.length <= 1 && scores.every((score) => JSON.stringify(score) === running)) return true
  return refuse(
    `Its score '${gone.stat}' (layer ${at}) needs the prompt's queries, which a cache does not hold`,
    'Choose a pruner whose score comes from keys, values or positions alone, or prefill again. A context that evicts by a running score goes on with that one.',
  )
}

function refuse(why: string, hint: string): never {
  throw kvError('KV_UNSUPPORTED', `The context cannot be compressed again by this spec: ${why}.`, hint)
}
