import { KvError } from '../errors.ts'
import type { LayerPlan } from '../plan/layer-plan.ts'

/** What plans can say and no engine runs yet, by the plan's field. */
const notYet: readonly (readonly [field: string, what: string, asks: (layer: LayerPlan) => boolean])[] = [
  [
    'tokens.perHead',
    'a number of its own for each head beside eviction or cache positions',
    ({ tokens, evict, positions }) =>
      typeof tokens.perHead !== 'number' && (evict !== 'never' || positions === 'cache'),
  ],
  ['evict.every', 'above 1', ({ evict }) => typeof evict === 'object' && evict.every > 1],
]

/** Throws KV_UNSUPPORTED for a plan that is right and that no engine runs yet, naming the field. */
export function refuseNotYet(layer: LayerPlan, path: string): void {
  for (const [field, what, asks] of notYet)
    if (asks(layer))
      throw new KvError('KV_UNSUPPORTED', `${path}: ${field} is ${what}, which no engine runs yet.`)
}
