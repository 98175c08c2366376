import type { ModelPrecision, NativeModel } from '../native/addon.ts'
import type { PackedMatrix } from './packed-matrices.ts'
import { packedBytes } from './weight-bytes.ts'
import { formatText, isExact } from './weight-format.ts'
import type { WeightsMode } from './weights-mode.ts'

/** How a model's weight matrices lie in memory, and what their products see. Plain JSON. */
export interface WeightsInUse {
  /** As asked for. */
  readonly mode: WeightsMode
  /** Bytes by format, most first: `{ "4 bit in groups of 32": 695205888, "bf16": … }`. */
  readonly formats: Readonly<Record<string, number>>
  /** Where they lie: in memory of this process, or in a file of the packed cache, which processes share. */
  readonly place: 'memory' | 'packed file'
  /**
   * What activations are rounded to before they meet the weights: `none` (float32), `words` (16-bit words with a power-of-two
   * scale per group of features, with matrices in codes), `bytes` (-127 to 127 with a scale per group, with matrices in codes and
   * `bf16-fast`) or `bf16`, then the weights too.
   */
  readonly activations: readonly ('none' | 'words' | 'bytes' | 'bf16')[]
}

export function weightsInUse(
  matrices: readonly PackedMatrix[],
  precision: ModelPrecision,
  mode: WeightsMode,
  packed: NativeModel['packed'],
): WeightsInUse {
  const activations = matrices.map(({ format }) => {
    if (precision === 'f32') return 'none'
    if (!isExact(format)) return precision === 'bf16-fast' ? 'bytes' : 'words'
    return precision === 'bf16-fast' ? 'bf16' : 'none'
  })
  return {
    mode,
    formats: formatBytesOf(matrices),
    place: packed === 'memory' ? 'memory' : 'packed file',
    activations: [...new Set(activations)].sort(),
  }
}

/** Bytes of matrices by format, most first. */
export function formatBytesOf(matrices: readonly PackedMatrix[]): Readonly<Record<string, number>> {
  const bytes = new Map<string, number>()
  for (const matrix of matrices) {
    const name = formatText(matrix.format)
    bytes.set(name, (bytes.get(name) ?? 0) + packedBytes(matrix))
  }
  return Object.fromEntries([...bytes].sort(([, a], [, b]) => b - a))
}
