import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** A reference to an array inside a raw little-endian file, as the manifests write it. */
export interface ArrayReference {
  file: string
  byte_offset?: number
  shape: number[]
  dtype?: string
}

const count = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)

function readBytes(folder: string, reference: ArrayReference, bytesPerValue: number): ArrayBuffer {
  const bytes = count(reference.shape) * bytesPerValue
  const buffer = new Uint8Array(bytes)
  const file = openSync(join(folder, reference.file), 'r')
  try {
    const got = readSync(file, buffer, 0, bytes, reference.byte_offset ?? 0)
    if (got !== bytes)
      throw new Error(
        `Expected ${bytes} bytes at ${reference.byte_offset ?? 0} of ${reference.file} but found ${got}`,
      )
  } finally {
    closeSync(file)
  }
  return buffer.buffer
}

export const readFloats = (folder: string, reference: ArrayReference) =>
  new Float32Array(readBytes(folder, reference, 4))
export const readIntegers = (folder: string, reference: ArrayReference) =>
  new Int32Array(readBytes(folder, reference, 4))
export const readBytesOf = (folder: string, reference: ArrayReference) =>
  new Uint8Array(readBytes(folder, reference, 1))

export const readJson = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T

/** JSON lines, split by "\n" only (strings may hold other line separators). */
export const readLines = <T>(...path: string[]): T[] =>
  readFileSync(join(...path), 'utf8')
    .split('\n')
    .filter((line) => line.length > 0)
    .map((line) => JSON.parse(line) as T)

/** Largest absolute difference and where it is; NaN on either side counts as infinite. */
function worstDifference(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
): { difference: number; index: number } {
  if (ours.length !== theirs.length)
    return { difference: Infinity, index: Math.min(ours.length, theirs.length) }
  let worst = { difference: 0, index: -1 }
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs((ours[i] ?? NaN) - (theirs[i] ?? NaN))
    if (!(difference <= worst.difference))
      worst = { difference: Number.isNaN(difference) ? Infinity : difference, index: i }
  }
  return worst
}

/** A sentence when the two differ by more than `bound`, else undefined. */
export function beyond(
  what: string,
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  bound: number,
): string | undefined {
  if (ours.length !== theirs.length)
    return `${what}: expected ${theirs.length} values but have ${ours.length}`
  const { difference, index } = worstDifference(ours, theirs)
  return difference <= bound
    ? undefined
    : `${what}: differs by ${difference.toExponential(2)} at ${index} (ours ${ours[index]}, theirs ${theirs[index]}), bound ${bound}`
}

/** Tokens `from` to `from + count` of every head: [heads, tokens, dim] -> [heads, count, dim]. */
export function sliceTokens(
  x: Float32Array,
  [heads, tokens, dim]: readonly [number, number, number],
  from: number,
  count: number,
): Float32Array {
  const out = new Float32Array(heads * count * dim)
  for (let h = 0; h < heads; h++)
    out.set(x.subarray((h * tokens + from) * dim, (h * tokens + from + count) * dim), h * count * dim)
  return out
}
