import { statistics, type GroupOperation, type ScoreNode } from '@qpkv/spec'
import type { LayerTensors } from './layer-tensors.ts'
import { operate, type Scores } from './operations.ts'
import { measure, type Rows } from './statistics.ts'

/** Where an expression is evaluated. */
export interface ScoreContext {
  readonly heads: 'kv' | 'query'
  /** The plan's `protect.last`: these tokens of the prompt are not scored. */
  readonly protectLast: number
}

/** Scores of the tokens before the last protected ones, [storedHeads][tokens - protectLast], float32 at every node. */
export function evaluateScore(node: ScoreNode, tensors: LayerTensors, context: ScoreContext): Scores {
  const scored = Math.max(0, tensors.tokens - context.protectLast)
  if ('stat' in node)
    return storedRows(node.stat, measure(node, tensors, context), tensors, context).map((row) =>
      Float32Array.from(row.subarray(0, scored)),
    )
  if (node.op === 'group') return group(node, evaluateScore(node.of[0], tensors, context), tensors, context)
  return operate(
    node,
    node.of.map((part) => evaluateScore(part, tensors, context)),
  )
}

/** What a statistic measures per KV head is repeated where heads are stored per query head. */
function storedRows(
  stat: string,
  rows: Rows,
  { queryHeads, kvHeads }: LayerTensors,
  { heads }: ScoreContext,
): Rows {
  const about = Object.values(statistics).find(({ name }) => name === stat)
  if (heads === 'kv' || about?.rows === 'query') return rows
  return Array.from({ length: queryHeads }, (_, head) => rows[Math.floor(head / (queryHeads / kvHeads))]!)
}

/** Rows of the query heads of each stored head, or of the whole layer, joined to one. */
function group(
  { by, over }: GroupOperation,
  rows: Scores,
  { queryHeads, kvHeads }: LayerTensors,
  { heads }: ScoreContext,
): Scores {
  const stored = heads === 'query' ? queryHeads : kvHeads
  const size = over === 'layer' ? rows.length : rows.length / stored
  const joined = Array.from({ length: rows.length / size }, (_, g) => {
    const members = rows.slice(g * size, (g + 1) * size)
    return members[0]!.map((_, t) => {
      const values = members.map((row) => row[t]!)
      const sum = values.reduce((a, b) => a + b, 0)
      return by === 'max' ? Math.max(...values) : by === 'mean' ? sum / size : sum
    })
  })
  return over === 'layer' ? Array.from({ length: stored }, () => joined[0]!) : joined
}
