import { describeValue, expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { nearestName } from '../nearest-name.ts'
import { parseOptions } from '../options/option-shape.ts'
import { scoreOperations } from './score-operations.ts'
import type { OperationNode, ScoreNode, StatisticNode } from './score.ts'
import type { Statistic } from './statistic.ts'
import { statistics } from './statistics.ts'

/** Operations that may lie inside one another. */
const MAX_DEPTH = 16

const known = new Map<string, Statistic>(Object.values(statistics).map((it) => [it.name, it]))

/**
 * Checks an expression and fills in the options that are left out.
 * Throws KV_UNSUPPORTED for an unknown name with the nearest one, KV_METHOD or KV_INVALID_OPTION naming the path.
 */
export function checkScore(node: unknown, path: string): ScoreNode {
  const { checked, rows } = check(node, path, 0)
  if (rows === 'query')
    throw new KvError(
      'KV_METHOD',
      `${path} yields one row per query head; a stage needs one per stored head.`,
      {
        hint: "Wrap it: { op: 'group', by: 'mean', of: [ … ] }.",
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

interface Checked {
  readonly checked: ScoreNode
  /** Whose rows it yields. */
  readonly rows: 'query' | 'stored'
}

function check(node: unknown, path: string, depth: number): Checked {
  if (!isPlainObject(node)) throw expected('a node { stat, … } or { op, of: [ … ], … }', path, node)
  if (depth > MAX_DEPTH)
    throw new KvError(
      'KV_METHOD',
      `${path} lies deeper than ${MAX_DEPTH} operations; make the score simpler.`,
    )
  if ('stat' in node && 'op' in node)
    throw new KvError('KV_METHOD', `${path} has a stat and an op; a node is one of them.`)
  return 'op' in node ? checkOperation(node, path, depth) : checkStatistic(node, path)
}

function checkStatistic({ stat, ...given }: Record<string, unknown>, path: string): Checked {
  const found = known.get(stat as string)
  if (!found) throw unknownName('statistic', stat, `${path}.stat`, [...known.keys()])
  return {
    checked: { stat: found.name, ...parseOptions(found.options, {}, given, path) } as StatisticNode,
    rows: found.rows === 'query' ? 'query' : 'stored',
  }
}

function checkOperation({ op, of, ...given }: Record<string, unknown>, path: string, depth: number): Checked {
  if (typeof op !== 'string' || !Object.hasOwn(scoreOperations, op))
    throw unknownName('operation', op, `${path}.op`, Object.keys(scoreOperations))
  const operation = scoreOperations[op as OperationNode['op']]
  const [fewest, most] = operation.of
  if (!Array.isArray(of) || of.length < fewest || of.length > most)
    throw expected(
      most === 1 ? 'a list of one node' : `a list of ${fewest} to ${most} nodes`,
      `${path}.of`,
      of,
    )
  const parts = of.map((part, i) => check(part, `${path}.of[${i}]`, depth + 1))
  const rows = parts[0]!.rows
  if (parts.some((part) => part.rows !== rows))
    throw new KvError('KV_METHOD', `${path}.of mixes rows per query head with rows per stored head.`, {
      hint: "Wrap those per query head: { op: 'group', by: 'mean', of: [ … ] }.",
    })
  const options = parseOptions(operation.options, {}, given, path)
  return {
    checked: { op, ...options, of: parts.map(({ checked }) => checked) } as unknown as OperationNode,
    rows: op === 'group' ? 'stored' : rows,
  }
}

function unknownName(what: string, value: unknown, path: string, names: readonly string[]): KvError {
  const near = typeof value === 'string' ? nearestName(value, names) : undefined
  return new KvError('KV_UNSUPPORTED', `${path} is ${describeValue(value)}; there is no such ${what}.`, {
    hint: `${near ? `Did you mean ${near}? ` : ''}There are: ${names.join(', ')}.`,
  })
}
