import { readFileSync } from 'node:fs'

/** Recorded arrays lie in little-endian files beside a JSON that says where: `at` in bytes, shape, type. */
export interface ArrayRef {
  readonly at: number
  readonly shape: readonly number[]
  readonly dtype: 'float32' | 'int32' | 'uint8'
}

const copyOf = (path: URL): ArrayBuffer => {
  const file = readFileSync(path)
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength)
}

/** A JSON file, not checked. */
export const readJson = (path: URL): unknown => JSON.parse(readFileSync(path, 'utf8'))
/** A whole file of float32. */
export const readFloats = (path: URL): Float32Array => new Float32Array(copyOf(path))
/** A whole file of int32. */
export const readInts = (path: URL): Int32Array => new Int32Array(copyOf(path))

/** A reader of arrays of one file. */
export function openArrays(path: URL) {
  const buffer = copyOf(path)
  const length = (ref: ArrayRef) => ref.shape.reduce((a, b) => a * b, 1)
  return {
    floats: (ref: ArrayRef): Float32Array => new Float32Array(buffer, ref.at, length(ref)),
    ints: (ref: ArrayRef): Int32Array => new Int32Array(buffer, ref.at, length(ref)),
    bytes: (ref: ArrayRef): Uint8Array => new Uint8Array(buffer, ref.at, length(ref)),
  }
}
