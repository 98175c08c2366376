import type { Json } from '../json.ts'
import type { MethodRef } from '../method/method-ref.ts'
import { readBudget, type Budget } from '../spec/budget.ts'
import { checkSpec, type SpecInput } from '../spec/compression-spec.ts'
import type { PruneAxes } from './parse-methods.ts'
import { isName, isNumber } from './scan.ts'
import { printTiers } from './tiers-text.ts'

const quoted = (value: Json) => `'${JSON.stringify(value).replaceAll("'", "''")}'`

function printValue(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (
    typeof value === 'number' &&
    isNumber(String(value)) &&
    !String(value).includes('+') &&
    !Object.is(value, -0)
  )
    return String(value)
  if (
    typeof value === 'string' &&
    isName(value) &&
    !isNumber(value) &&
    !['true', 'false', 'null'].includes(value)
  )
    return value
  return quoted(value)
}

const printPairs = (pairs: Record<string, Json | undefined>) =>
  Object.entries(pairs)
    .filter((pair): pair is [string, Json] => pair[1] !== undefined)
    .map(([name, value]) => `${name}=${printValue(value)}`)
    .join(',')

/** The text of a method and its options: `snapkv:window=16`. */
export function printMethod({ method, ...options }: MethodRef): string {
  const name = method.includes('~') ? quoted(method) : method
  const pairs = printPairs(options)
  return pairs ? `${name}:${pairs}` : name
}

/** The text of the axes of pruning that are given: `keydiff~pyramid:beta=20~ada`, `keydiff~~ada`. */
export function printPrune({ prune, allocate, share }: PruneAxes): string {
  const axes = [prune, allocate, share].map((ref) => (ref === undefined ? '' : printMethod(ref)))
  return axes.join('~').replace(/~+$/, '')
}

/** The text of a budget: `128t`, `64x16`, `25%`, `128KiB`, `2%B`. */
export function printBudget(budget: Budget): string {
  const { kind, amount } = readBudget(budget)
  return kind.print(amount)
}

/** The canonical text of a spec. parseSpec(printSpec(s)) equals s; printSpec(parseSpec(t)) is the canonical form of t. */
export function printSpec(spec: SpecInput): string {
  const { heads, budget, quantize, tiers, layers, ...axes } = checkSpec(spec)
  const sections = (layers ?? []).map(({ from, to, ...rest }) =>
    from === undefined ? `#${printPairs({ ...rest })}` : `#${from}-${to}:${printPairs({ ...rest })}`,
  )
  return [
    `${printPrune(axes)}+${printMethod(quantize)}`,
    budget ? `@${printBudget(budget)}` : '',
    heads ? `#heads=${heads}` : '',
    tiers ? `#tiers=${printTiers(tiers)}` : '',
    ...sections,
  ].join('')
}
