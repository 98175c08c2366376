import { open } from 'node:fs/promises'
import { kvError } from '../errors.ts'
import type { GgufTensor } from './read-header.ts'

/** More than half the largest head dimension; a damaged header may say anything. */
const MOST_FACTORS = 4096

/**
 * Reads a table of divisors of the rotary frequencies; undefined where there is none.
 * @returns float32 values above 0, [rotated channels / 2]
 * @throws KV_MODEL_FILE
 */
export async function readFactors(
  tensor: (GgufTensor & { readonly path: string }) | undefined,
  name: string,
): Promise<number[] | undefined> {
  if (!tensor) return undefined
  const { path, type, shape, offset, bytes } = tensor
  const count = shape[0] ?? 0
  if (type.name !== 'F32' || shape.length !== 1 || count > MOST_FACTORS)
    throw kvError(
      'KV_MODEL_FILE',
      `Expected a list of F32 values in ${name} of ${path} but received ${type.name} [${shape.join(', ')}].`,
    )
  const data = Buffer.alloc(bytes)
  const file = await open(path, 'r')
  try {
    await file.read(data, 0, bytes, offset)
  } finally {
    await file.close()
  }
  const factors = Array.from({ length: count }, (_, i) => data.readFloatLE(4 * i))
  const wrong = factors.find((factor) => !(factor > 0 && factor < Infinity))
  if (wrong !== undefined)
    throw kvError('KV_MODEL_FILE', `Expected factors above 0 in ${name} of ${path} but received ${wrong}.`)
  return factors
}
