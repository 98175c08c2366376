import { normalizedInliers, type PackedFormat } from '@qpkv/spec'
import { codebookBits, type Calibration, type Codebooks } from './calibration.ts'
import { kmeans } from './kmeans.ts'
import { keyFormat, valueFormat } from './formats.ts'

/** Activations of one layer: K before RoPE and V, [heads, tokens, headDim]; with squared gradients of the same shapes where there are any. */
export interface LayerActivations {
  readonly heads: number
  readonly tokens: number
  readonly headDim: number
  readonly key: Float32Array
  readonly value: Float32Array
  readonly keyWeights?: Float32Array
  readonly valueWeights?: Float32Array
}

export interface CalibrationOptions {
  /** Share of values that will be stored exactly, as in the option of the quantizer. */
  readonly outliers?: number
  /** First tokens that will be stored exactly. */
  readonly sinks?: number
}

/** More points than this are gathered on a grid of as many cells before clustering. */
const gridCells = 16384

/** Codebooks of both tensors of one layer, fitted to the values as the storage will scale them. */
export function calibrateLayer(
  layer: LayerActivations,
  { outliers = 0.01, sinks = 1 }: CalibrationOptions = {},
): { key: Codebooks; value: Codebooks } {
  return {
    key: fit(layer, layer.key, layer.keyWeights, keyFormat(4, outliers), sinks),
    value: fit(layer, layer.value, layer.valueWeights, valueFormat(4, outliers, layer.headDim), sinks),
  }
}

/** A calibration from the activations of every layer. */
export const makeCalibration = (
  facts: Pick<Calibration, 'model' | 'tokens' | 'weighted'>,
  layers: readonly { key: Codebooks; value: Codebooks }[],
): Calibration => ({ calibrationVersion: 1, ...facts, layers })

function fit(
  { heads, tokens, headDim }: LayerActivations,
  values: Float32Array,
  weights: Float32Array | undefined,
  format: PackedFormat,
  sinks: number,
): Codebooks {
  const points: number[] = []
  const masses: number[] = []
  for (let h = 0; h < heads; h++) {
    const from = (h * tokens + sinks) * headDim
    const to = (h + 1) * tokens * headDim
    const scaled = normalizedInliers(values.subarray(from, to), tokens - sinks, headDim, format)
    scaled.forEach((x, i) => {
      if (Number.isNaN(x)) return
      points.push(x)
      masses.push(weights?.[from + i] ?? 1)
    })
  }
  const [x, w] = points.length > gridCells ? onGrid(points, masses) : [points, masses]
  const book = (bits: number) => kmeans(x, 2 ** bits, w).map((level) => Number(level.toPrecision(9)))
  return Object.fromEntries(codebookBits.map((bits) => [bits, book(bits)])) as unknown as Codebooks
}

/** Cells of [-1, 1] with the mean and the weight of their points. */
function onGrid(points: readonly number[], masses: readonly number[]): [number[], number[]] {
  const sum = new Float64Array(gridCells)
  const mass = new Float64Array(gridCells)
  for (const [i, x] of points.entries()) {
    const cell = Math.min(gridCells - 1, Math.max(0, Math.floor(((x + 1) / 2) * gridCells)))
    sum[cell]! += x * masses[i]!
    mass[cell]! += masses[i]!
  }
  const used = Array.from({ length: gridCells }, (_, c) => c).filter((c) => mass[c]! > 0)
  return [used.map((c) => sum[c]! / mass[c]!), used.map((c) => mass[c]!)]
}
