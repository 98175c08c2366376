import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../goldens/', import.meta.url)
export const goldenFolder = (name: string): string => fileURLToPath(new URL(name, root))

export const goldenJson = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, root), 'utf8')) as T

export function goldenFloats(name: string): Float32Array {
  const bytes = readFileSync(new URL(name, root))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

export function goldenInts(name: string): Int32Array {
  const bytes = readFileSync(new URL(name, root))
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`)
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? NaN) - (b[i] ?? NaN))
    if (Number.isNaN(difference)) return NaN
    largest = Math.max(largest, difference)
  }
  return largest
}

/** Index of the largest value of one row of [rows, width]. */
export function argmax(values: Float32Array, row: number, width: number): number {
  let best = 0
  for (let i = 1; i < width; i++)
    if ((values[row * width + i] ?? NaN) > (values[row * width + best] ?? NaN)) best = i
  return best
}

/** Natural logarithm of the probability of `token` in one row of logits. */
export function logProbability(values: Float32Array, row: number, width: number, token: number): number {
  const at = values.subarray(row * width, (row + 1) * width)
  const top = at.reduce((a, b) => Math.max(a, b), -Infinity)
  let sum = 0
  for (const value of at) sum += Math.exp(value - top)
  return (at[token] ?? NaN) - top - Math.log(sum)
}
