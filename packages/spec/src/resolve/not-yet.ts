import { KvError } from '../errors.ts'
import { solverNames, solverOf } from '../method/kivi-storage.ts'
import type { LayerPlan } from '../plan/layer-plan.ts'
import type { TensorFormat } from '../plan/tensor-format.ts'

const numbersOf = (solver: object): string =>
  JSON.stringify(
    ['steps', 'norm', 'beta', 'growth', 'limit', 'flat'].map((name) => Reflect.get(solver, name) ?? null),
  )
/** Proximal solvers that kernels are written for, by their numbers. */
const written = new Set(
  solverNames
    .map(solverOf)
    .filter(({ kind }) => kind === 'proximal')
    .map(numbersOf),
)
const otherSolver = (format: TensorFormat): boolean =>
  'solver' in format && format.solver.kind === 'proximal' && !written.has(numbersOf(format.solver))

/** What plans can say and no engine runs yet, by the plan's field. */
const notYet: readonly (readonly [field: string, what: string, asks: (layer: LayerPlan) => boolean])[] = [
  [
    'tokens.perHead',
    'a number of its own for each head beside eviction or cache positions',
    ({ tokens, evict, positions }) =>
      typeof tokens.perHead !== 'number' && (evict !== 'never' || positions === 'cache'),
  ],
  [
    'segments.solver',
    'a proximal one with other numbers than those of the two releases that quantizers name',
    ({ segments }) => segments.some(({ key, value }) => otherSolver(key) || otherSolver(value)),
  ],
  [
    'evict.every',
    'above 1 with scores that run on',
    ({ evict }) => typeof evict === 'object' && evict.every > 1 && evict.measure === undefined,
  ],
]

/** Throws KV_UNSUPPORTED for a plan that is right and that no engine runs yet, naming the field. */
export function refuseNotYet(layer: LayerPlan, path: string): void {
  for (const [field, what, asks] of notYet)
    if (asks(layer))
      throw new KvError('KV_UNSUPPORTED', `${path}: ${field} is ${what}, which no engine runs yet.`)
}
