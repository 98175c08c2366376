import type { ModelPrecision } from '../native/addon.ts'
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
  /**
   * What activations are rounded to before they meet the weights: `none` (float32), `words` (16-bit words with a power-of-two
   * scale per group of features, with matrices in codes) or `bf16`, then the weights too.
   */
  readonly activations: readonly ('none' | 'words' | 'bf16')[]
}

export function weightsInUse(
  matrices: readonly PackedMatrix[],
  precision: ModelPrecision,
  mode: WeightsMode,
): WeightsInUse {
  const bytes = new Map<string, number>()
  for (const matrix of matrices) {
    const name = formatText(matrix.format)
    bytes.set(name, (bytes.get(name) ?? 0) + packedBytes(matrix))
  }
  const activations = matrices.map(({ format }) => {
    if (precision === 'f32') return 'none'
    if (!isExact(format)) return 'words'
    return precision === 'bf16-fast' ? 'bf16' : 'none'
  })
  return {
    mode,
    formats: Object.fromEntries([...bytes].sort(([, a], [, b]) => b - a)),
    activations: [...new Set(activations)].sort(),
  }
}
