import type { StatisticNode } from '@qpkv/spec'
import { dot } from '../arithmetic.ts'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'

type Matrix = readonly Float64Array[]

/** [queryHeads][tokens]: the logit that queries of later positions are expected to give each key. */
export function expectedAttention(
  node: Extract<StatisticNode, { stat: 'expected-attention' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { k, queryHeads, kvHeads, tokens, headDim } = tensors
  const before = needed(tensors, 'qBefore')
  const rotation = meanRotation(needed(tensors, 'ropeInvFreq'), headDim, tokens, node.future)
  return Array.from({ length: queryHeads }, (_, head) => {
    const queries = Array.from({ length: tokens - node.sinks }, (_, i) =>
      rowOf(before, tensors, head, node.sinks + i),
    )
    const mean = Float64Array.from(
      { length: headDim },
      (_, i) => queries.reduce((sum, q) => sum + q[i]!, 0) / queries.length,
    )
    const rotated = times(rotation, mean)
    const spread = node.covariance ? spreadOf(queries, mean, rotation) : undefined
    return Float64Array.from({ length: tokens }, (_, t) => {
      const key = rowOf(k, tensors, Math.floor(head / (queryHeads / kvHeads)), t)
      const half = spread ? dot(key, times(spread, key)) / headDim / 2 : 0
      return dot(key, rotated) / Math.sqrt(headDim) + half
    })
  })
}

const times = (m: Matrix, x: ArrayLike<number>): Float64Array => Float64Array.from(m, (row) => dot(row, x))
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, x, i) => sum + x * b[i]![j]!, 0)))
const transposed = (m: Matrix): Matrix => m.map((_, i) => Float64Array.from(m, (row) => row[i]!))

/** Covariance of the queries, rotated. */
function spreadOf(queries: readonly Float32Array[], mean: Float64Array, rotation: Matrix): Matrix {
  const covariance = Array.from(mean, (m, i) =>
    Float64Array.from(
      mean,
      (n, j) => queries.reduce((sum, q) => sum + (q[i]! - m) * (q[j]! - n), 0) / queries.length,
    ),
  )
  return product(product(rotation, covariance), transposed(rotation))
}

/** The mean of the matrices that rotate a vector to the `future` positions behind the prompt. */
function meanRotation(inverse: Float32Array, headDim: number, tokens: number, future: number): Matrix {
  const half = inverse.length
  const rotation = Array.from({ length: headDim }, (_, i) => {
    const row = new Float64Array(headDim)
    if (i >= 2 * half) row[i] = 1
    return row
  })
  for (let p = tokens; p < tokens + future; p++)
    for (let i = 0; i < half; i++) {
      const [c, s] = [Math.cos(p * inverse[i]!) / future, Math.sin(p * inverse[i]!) / future]
      rotation[i]![i]! += c
      rotation[i + half]![i + half]! += c
      rotation[i]![i + half]! -= s
      rotation[i + half]![i]! += s
    }
  return rotation
}
