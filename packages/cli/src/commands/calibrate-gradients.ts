import { readFile } from 'node:fs/promises'
import { KvError } from '@qpkv/spec'

/** A file of squared gradients, read from front to back. */
export interface Gradients {
  /** Weights of the next layer's K and V, `count` numbers each. Throws KV_DATA at the end of the file. */
  next(count: number): { keyWeights: Float32Array; valueWeights: Float32Array }
  /** Throws KV_DATA unless everything was read. */
  finish(): void
}

/** Little-endian float32, for every chunk and layer K then V, each [heads, tokens, headDim]. */
export async function readGradients(path: string): Promise<Gradients> {
  const file = await readFile(path).catch((cause: Error) => {
    throw new KvError('KV_DATA', `--gradients: cannot read "${path}": ${cause.message}.`, { cause })
  })
  let at = 0
  const take = (count: number) => {
    const end = at + count * 4
    if (end > file.byteLength)
      throw new KvError(
        'KV_DATA',
        `--gradients: "${path}" ends after ${file.byteLength} bytes; at least ${end} are needed.`,
        {
          hint: 'It holds squared gradients of K then V for every chunk and layer, of the same texts, --tokens and --chunks.',
        },
      )
    const weights = Float32Array.from({ length: count }, (_, i) => file.readFloatLE(at + i * 4))
    if (!weights.every((w) => w >= 0 && Number.isFinite(w)))
      throw new KvError('KV_DATA', `--gradients: "${path}" holds numbers that are negative or not finite.`)
    at = end
    return weights
  }
  return {
    next: (count) => ({ keyWeights: take(count), valueWeights: take(count) }),
    finish() {
      if (at !== file.byteLength)
        throw new KvError(
          'KV_DATA',
          `--gradients: "${path}" has ${file.byteLength - at} bytes more than the texts need.`,
        )
    },
  }
}
