import { f16ToNumber } from './next-half.ts'
import { readBytesOf, type ArrayReference } from './arrays.ts'

const widths: Record<string, number> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  float64: 8,
}

/** An array of any type that the manifests name, as numbers. */
export function readNumbers(folder: string, reference: ArrayReference): Float64Array {
  const { dtype = 'float32', shape } = reference
  const width = widths[dtype]
  if (width === undefined) throw new Error(`an array of ${dtype}, which is not known here`)
  const count = shape.reduce((product, n) => product * n, 1)
  const { buffer } = readBytesOf(folder, { ...reference, shape: [count * width] })
  const of: Record<string, () => ArrayLike<number>> = {
    uint8: () => new Uint8Array(buffer),
    int8: () => new Int8Array(buffer),
    int16: () => new Int16Array(buffer),
    uint16: () => new Uint16Array(buffer),
    float16: () => Array.from(new Uint16Array(buffer), f16ToNumber),
    uint32: () => new Uint32Array(buffer),
    int32: () => new Int32Array(buffer),
    float32: () => new Float32Array(buffer),
    float64: () => new Float64Array(buffer),
  }
  return Float64Array.from(of[dtype]!())
}
