import { describeValue, KvError } from '../errors.ts'
import type { Selection } from '../method/method.ts'

/**
 * Values that engines know, by field. Types forbid others; a method written in
 * JavaScript, or for a later version, may hold them.
 */
const known: readonly (readonly [
  field: string,
  read: (s: Selection) => unknown,
  values: readonly (string | undefined)[],
])[] = [
  ['observe.what', (s) => s.observe.what, ['nothing', 'attention', 'key-norm', 'key-similarity']],
  ['observe.mask', (s) => attention(s)?.mask, [undefined, 'causal', 'window-block']],
  ['observe.reduce', (s) => attention(s)?.reduce, [undefined, 'sum', 'mean']],
  ['observe.group', (s) => attention(s)?.group, [undefined, 'mean', 'max', 'sum']],
  ['smooth.pool', (s) => s.smooth?.pool, [undefined, 'max', 'mean']],
  ['smooth.padding', (s) => s.smooth?.padding, [undefined, 'zeros-count', 'valid']],
  ['prefer', (s) => s.prefer, [undefined, 'highest', 'lowest']],
  ['order', (s) => s.order, [undefined, 'position', 'score']],
  ['evict', (s) => s.evict, [undefined, 'never', 'fifo', 'lowest-score']],
  ['positions', (s) => s.positions, [undefined, 'true', 'cache']],
  ['pool', (s) => s.pool, [undefined, 'head', 'layer']],
  ['weigh', (s) => s.weigh, [undefined, 'top-share']],
  ['rounding', (s) => s.rounding, [undefined, 'each']],
]

const attention = ({ observe }: Selection) => (observe.what === 'attention' ? observe : undefined)

/** Throws KV_UNSUPPORTED for values that no engine runs, KV_METHOD for numbers that make no sense, naming the field. */
export function checkSelection(selection: Selection, layer: number): Selection {
  const path = `prune (layer ${layer})`
  for (const [field, read, values] of known) {
    const value = read(selection)
    if (values.includes(value as string | undefined)) continue
    throw new KvError(
      'KV_UNSUPPORTED',
      `${path}.${['pool', 'weigh', 'rounding'].includes(field) ? `tokens.${field}` : field} is ${describeValue(value)}; no engine runs that.`,
      {
        hint: `Known: ${values.filter((v) => v !== undefined).join(', ')}.`,
      },
    )
  }
  const { protect, smooth } = selection
  for (const side of ['first', 'last'] as const)
    if (!Number.isSafeInteger(protect[side]) || protect[side] < 0)
      throw new KvError(
        'KV_METHOD',
        `${path}.protect.${side} is ${protect[side]}; expected a whole number from 0.`,
      )
  if (smooth && !(Number.isSafeInteger(smooth.kernel) && smooth.kernel > 0 && smooth.kernel % 2 === 1))
    throw new KvError('KV_METHOD', `${path}.smooth.kernel is ${smooth.kernel}; expected an odd number.`)
  checkPool(selection, path)
  const queries = attention(selection)?.queries
  if (queries !== undefined && queries !== 'all' && !(Number.isSafeInteger(queries.last) && queries.last > 0))
    throw new KvError(
      'KV_METHOD',
      `${path}.observe.queries.last is ${queries.last}; expected a whole number from 1.`,
    )
  return selection
}

/** Heads that share places need scores to compare, and decode has no rule for who gives one up. */
function checkPool({ pool, floor = 0, weigh, prefer, evict, positions }: Selection, path: string): void {
  if (!(floor >= 0 && floor <= 1))
    throw new KvError('KV_METHOD', `${path}.floor is ${floor}; expected a number from 0 to 1.`)
  if (pool !== 'layer') return
  const problem =
    evict !== undefined && evict !== 'never'
      ? `evict is ${describeValue(evict)}`
      : positions === 'cache'
        ? 'positions is "cache"'
        : weigh !== undefined && prefer === 'lowest'
          ? 'weigh is set where the lowest scores are kept'
          : undefined
  if (problem === undefined) return
  throw new KvError(
    'KV_UNSUPPORTED',
    `${path}.${problem} while the heads of a layer share places; no engine runs that.`,
    { hint: 'Leave one of the two out.' },
  )
}
