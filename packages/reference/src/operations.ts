import type { OperationNode } from '@qpkv/spec'
import { takenInOrder } from './taken-in-order.ts'
import { smoothScores } from './smooth-scores.ts'

/** [heads][tokens], float32. */
export type Scores = readonly Float32Array[]

type Interpreter<N extends OperationNode['op']> = (
  node: Extract<OperationNode, { op: N }>,
  parts: readonly Scores[],
) => Scores

/**
 * Every operation but `group`, written for reading: each node's float32 scores of what it is made of become its own;
 * sums run in double.
 */
const interpreters: { readonly [N in Exclude<OperationNode['op'], 'group'>]: Interpreter<N> } = {
  add: (_, parts) => combine(parts, (values) => values.reduce((a, b) => a + b, 0)),
  multiply: (_, parts) => combine(parts, (values) => values.reduce((a, b) => a * b, 1)),
  power: ({ exponent }, [x]) => each(x!, (value) => value ** exponent),
  scale: ({ factor, offset = 0 }, [x]) => each(x!, (value) => value * factor + offset),
  'z-score': ({ over, skipFirst = 0 }, [x]) => {
    const parts = x!.map((row) => row.subarray(skipFirst))
    const together = momentsOf(parts)
    return x!.map((row, head) => {
      const { mean, deviation } = over === 'layer' ? together : momentsOf([parts[head]!])
      return row.map((value, t) => (t < skipFirst ? value : deviation === 0 ? 0 : (value - mean) / deviation))
    })
  },
  softmax: ({ skipFirst = 0 }, [x]) =>
    x!.map((row) => {
      const own = Float64Array.from(row.subarray(skipFirst))
      const top = own.reduce((a, b) => Math.max(a, b), -Infinity)
      const weights = own.map((value) => Math.exp(value - top))
      const sum = weights.reduce((a, b) => a + b, 0)
      return row.map((value, t) => (t < skipFirst ? value : weights[t - skipFirst]! / sum))
    }),
  'rank-in-blocks': ({ block, skipFirst = 0 }, [x]) =>
    inBlocks(x!, block, skipFirst, (values) => {
      const order = [...values.keys()].sort((a, b) => values[a]! - values[b]! || a - b)
      const ranks = new Float32Array(values.length)
      for (const [rank, i] of order.entries()) ranks[i] = rank / values.length
      return ranks
    }),
  pool: ({ skipFirst = 0, ...smooth }, [x]) =>
    x!.map((row) => {
      const pooled = row.slice()
      pooled.set(smoothScores(row.slice(skipFirst), smooth), skipFirst)
      return pooled
    }),
  'block-pool': ({ pool, block, skipFirst = 0 }, [x]) =>
    inBlocks(x!, block, skipFirst, (values) => {
      const value =
        pool === 'max'
          ? values.reduce((a, b) => Math.max(a, b), -Infinity)
          : values.reduce((a, b) => a + b, 0) / values.length
      return values.map(() => value)
    }),
  'entropy-gate': ({ block, rescue, skipFirst = 0 }, [x]) =>
    x!.map((row) => {
      const gated = row.slice()
      gated.set(takenInOrder(row.subarray(skipFirst), block, rescue), Math.min(skipFirst, row.length))
      return gated
    }),
  constant: ({ first, last, value }, [x]) => {
    const highest = x!.reduce((best, row) => row.reduce((a, b) => Math.max(a, b), best), -Infinity)
    const given = value === 'above' ? highest + 1 : value
    return x!.map((row) => row.map((own, t) => (t < first || t >= row.length - last ? given : own)))
  },
}

/** An operation's scores from those of the nodes that it is made of. */
export const operate = (node: Exclude<OperationNode, { op: 'group' }>, parts: readonly Scores[]): Scores =>
  (interpreters[node.op] as Interpreter<typeof node.op>)(node, parts)

const each = (x: Scores, value: (x: number) => number): Scores => x.map((row) => row.map(value))

const combine = (parts: readonly Scores[], value: (values: readonly number[]) => number): Scores =>
  parts[0]!.map((row, head) => row.map((_, t) => value(parts.map((part) => part[head]![t]!))))

function momentsOf(rows: Scores): { mean: number; deviation: number } {
  let count = 0
  let sum = 0
  for (const row of rows) for (const x of row) [count, sum] = [count + 1, sum + x]
  const mean = count === 0 ? 0 : sum / count
  let squares = 0
  for (const row of rows) for (const x of row) squares += (x - mean) ** 2
  return { mean, deviation: count === 0 ? 0 : Math.sqrt(squares / count) }
}

/** Blocks of consecutive tokens behind the first `skipFirst`, which keep their value; the last may be short. */
const inBlocks = (
  x: Scores,
  block: number,
  skipFirst: number,
  values: (own: Float32Array) => Float32Array,
): Scores =>
  x.map((row) => {
    const out = row.slice()
    for (let at = skipFirst; at < row.length; at += block)
      out.set(values(row.slice(at, Math.min(row.length, at + block))), at)
    return out
  })
