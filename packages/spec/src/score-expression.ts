import { describeValue, expected, KvError } from './errors.ts'
import { isPlainObject } from './json.ts'
import { nearestName } from './nearest-name.ts'
import { parseOptions, type OptionShape, type OptionValues } from './option-shape.ts'
import { scoreOperations } from './score-operations.ts'
import type { Statistic } from './statistic.ts'
import { statistics } from './statistics/index.ts'

type Operations = typeof scoreOperations
type Statistics = typeof statistics
/** Options as a plan may hold them: what is left out takes its default. */
type Given<S extends OptionShape> = Partial<OptionValues<S>>

/** A measurement of prefill: `[queryHeads, tokens]` or `[storedHeads, tokens]`, as its descriptor says. */
export type StatisticNode = {
  readonly [N in keyof Statistics]: { readonly stat: Statistics[N]['name'] } & Given<Statistics[N]['options']>
}[keyof Statistics]

/** An operation on other nodes. */
export type OperationNode = {
  readonly [N in keyof Operations]: {
    readonly op: N
    readonly of: readonly ScoreNode[]
  } & Given<Operations[N]['options']>
}[keyof Operations]

/**
 * What a token is worth, as data: an expression over statistics that engines evaluate natively. Every node yields float32
 * `[queryHeads | storedHeads, tokens]`; the whole must yield one row per stored head.
 */
export type ScoreNode = StatisticNode | OperationNode

/**
 * A part of a selection whose score depends on how many are kept already. Stages run in order; each fills its share of a
 * head's places (protected tokens count, rounded down), the last one the rest, among the tokens that no stage has taken.
 */
export interface ScoreStage {
  readonly score: ScoreNode
  /** Part of the places, 0 to 1, that are filled when this stage is done; left out: all. */
  readonly share?: number
}

/** Whose rows a node yields. */
export type ScoreRows = 'query' | 'stored'

/** Nesting and size that engines take. */
const MAX_DEPTH = 16

const descriptorOf = (name: unknown): Statistic | undefined =>
  Object.values(statistics as Record<string, Statistic>).find((statistic) => statistic.name === name)

/**
 * Checks an expression and fills in the defaults of all options.
 * Throws KV_METHOD or KV_INVALID_OPTION naming the path, what was expected and the nearest name.
 */
export function checkScore(node: unknown, path: string): ScoreNode {
  const { checked, rows } = check(node, path, 0)
  if (rows === 'query')
    throw new KvError(
      'KV_METHOD',
      `${path} yields one row per query head, but selection needs one per stored head.`,
      {
        hint: "Wrap it: { op: 'group', reduce: 'mean', of: [ … ] }.",
      },
    )
  return checked
}

/** The statistics of an expression, each once, in the order in which they stand. */
export function statisticsOf(node: ScoreNode): StatisticNode[] {
  const all = new Map<string, StatisticNode>()
  const visit = (at: ScoreNode): void => {
    if ('stat' in at) all.set(JSON.stringify(at), at)
    else at.of.forEach(visit)
  }
  visit(node)
  return [...all.values()]
}

function check(node: unknown, path: string, depth: number): { checked: ScoreNode; rows: ScoreRows } {
  if (!isPlainObject(node)) throw expected('a node { stat: … } or { op: …, of: [ … ] }', path, node)
  if (depth > MAX_DEPTH) throw new KvError('KV_METHOD', `${path} lies deeper than ${MAX_DEPTH} operations.`)
  if ('stat' in node && 'op' in node)
    throw new KvError('KV_METHOD', `${path} has both a stat and an op; a node is one of them.`)
  return 'op' in node ? checkOperation(node, path, depth) : checkStatistic(node, path)
}

function checkStatistic(node: Record<string, unknown>, path: string) {
  const { stat, ...given } = node
  const found = descriptorOf(stat)
  const names = Object.values(statistics).map(({ name }) => name)
  if (!found) throw unknown('statistic', stat, `${path}.stat`, names)
  const options = parseOptions(found.options, {}, given, path)
  return {
    checked: { stat: found.name, ...options } as StatisticNode,
    rows: found.rows === 'query' ? ('query' as const) : ('stored' as const),
  }
}

function checkOperation(node: Record<string, unknown>, path: string, depth: number) {
  const { op, of, ...given } = node
  if (typeof op !== 'string' || !Object.hasOwn(scoreOperations, op))
    throw unknown('operation', op, `${path}.op`, Object.keys(scoreOperations))
  const {
    of: [fewest, most],
    options,
  } = scoreOperations[op as keyof Operations]
  if (!Array.isArray(of) || of.length < fewest || of.length > most)
    throw expected(
      fewest === most ? `a list of ${fewest} node` : `a list of ${fewest} to ${most} nodes`,
      `${path}.of`,
      of,
    )
  const parts = of.map((part, i) => check(part, `${path}.of[${i}]`, depth + 1))
  const rows = parts[0]!.rows
  if (parts.some((part) => part.rows !== rows))
    throw new KvError('KV_METHOD', `${path}.of mixes rows per query head with rows per stored head.`, {
      hint: "Wrap those per query head: { op: 'group', … }.",
    })
  return {
    checked: {
      op,
      of: parts.map(({ checked }) => checked),
      ...parseOptions(options, {}, given, path),
    } as OperationNode,
    rows: op === 'group' ? ('stored' as const) : rows,
  }
}

function unknown(what: string, value: unknown, path: string, names: readonly string[]): KvError {
  const near = typeof value === 'string' ? nearestName(value, names) : undefined
  return new KvError('KV_UNSUPPORTED', `${path} is ${describeValue(value)}; there is no such ${what}.`, {
    hint: `${near ? `Did you mean ${near}? ` : ''}Known: ${names.join(', ')}.`,
  })
}
