import type { StatisticNode } from '@qpkv/spec'
import { dot } from '../arithmetic.ts'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'
import { normalNumber } from '../random-numbers.ts'

/** [kvHeads][tokens]: leverage among the centred keys of the head; 0 for tokens left out. */
export function leverage(
  node: Extract<StatisticNode, { stat: 'leverage' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const keys = needed(tensors, 'kBefore')
  const { kvHeads, tokens, headDim } = tensors
  const { first, sketch: width } = node
  const count = Math.max(0, tokens - node.last - first)
  return Array.from({ length: kvHeads }, (_, head) => {
    const all = new Float64Array(tokens)
    const rows = Array.from({ length: count }, (_, i) => {
      const key = rowOf(keys, tensors, head, first + i)
      if (width === 0) return Float64Array.from(key)
      const projection = (j: number) =>
        key.reduce((sum, x, c) => sum + x * normalNumber(node.seed, (head * headDim + c) * width + j), 0)
      return Float64Array.from({ length: width }, (_, j) => projection(j) / Math.sqrt(width))
    })
    center(rows)
    const gram = (rows[0] ?? new Float64Array()).map((_, i) => i)
    const matrix = Array.from(gram, (i) =>
      Float64Array.from(
        gram,
        (j) => (i === j ? node.ridge : 0) + rows.reduce((sum, x) => sum + x[i]! * x[j]!, 0),
      ),
    )
    for (const [i, row] of rows.entries()) all[first + i] = dot(row, solve(matrix, row))
    return all
  })
}

function center(rows: readonly Float64Array[]): void {
  for (const i of (rows[0] ?? []).keys()) {
    const mean = rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length
    for (const row of rows) row[i]! -= mean
  }
}

/** x of a x = b for a symmetric positive a. */
function solve(a: readonly Float64Array[], b: Float64Array): Float64Array {
  const m = a.map((row) => row.slice())
  const x = b.slice()
  for (const [i, pivot] of m.entries())
    for (let r = i + 1; r < m.length; r++) {
      const factor = m[r]![i]! / pivot[i]!
      for (let j = i; j < m.length; j++) m[r]![j]! -= factor * pivot[j]!
      x[r]! -= factor * x[i]!
    }
  for (let i = m.length - 1; i >= 0; i--) {
    for (let j = i + 1; j < m.length; j++) x[i]! -= m[i]![j]! * x[j]!
    x[i]! /= m[i]![i]!
  }
  return x
}
