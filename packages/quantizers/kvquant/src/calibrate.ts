import { normalizedInliers } from '@qpkv/reference'
import { type PackedFormat } from '@qpkv/spec'
import { codebookBits, type Calibration, type Codebooks } from './calibration.ts'
import { kmeans } from './kmeans.ts'
import { keyFormat, valueFormat } from './formats.ts'

/**
 * Activations of one layer: K before RoPE and V, [heads, tokens, headDim]; with squared
 * gradients of the same shapes where there are any.
 */
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
const gridCells = 4096

/** Codebooks of both tensors of one layer, fitted to the values of one or several prompts as the storage will scale them. */
export function calibrateLayer(
  prompts: LayerActivations | readonly LayerActivations[],
  { outliers = 0.01, sinks = 1 }: CalibrationOptions = {},
): { key: Codebooks; value: Codebooks } {
  const list = Array.isArray(prompts)
    ? (prompts as readonly LayerActivations[])
    : [prompts as LayerActivations]
  const points = (tensor: 'key' | 'value', format: PackedFormat) => {
    const gathered: Points = { x: [], mass: [] }
    for (const prompt of list) gather(prompt, tensor, format, sinks, gathered)
    return gathered
  }
  return {
    key: fit(points('key', keyFormat(4, outliers))),
    value: fit(points('value', valueFormat(4, outliers, list[0]?.headDim ?? 0))),
  }
}

/** A calibration from the activations of every layer. */
export const makeCalibration = (
  facts: Pick<Calibration, 'model' | 'tokens' | 'weighted'>,
  layers: readonly { key: Codebooks; value: Codebooks }[],
): Calibration => ({ calibrationVersion: 1, ...facts, layers })

interface Points {
  readonly x: number[]
  readonly mass: number[]
}

/** Adds the scaled inliers of every head; the first `sinks` tokens are left out. */
function gather(
  prompt: LayerActivations,
  tensor: 'key' | 'value',
  format: PackedFormat,
  sinks: number,
  into: Points,
): void {
  const { heads, tokens, headDim } = prompt
  const weights = tensor === 'key' ? prompt.keyWeights : prompt.valueWeights
  for (let h = 0; h < heads; h++) {
    const from = (h * tokens + sinks) * headDim
    const own = prompt[tensor].subarray(from, (h + 1) * tokens * headDim)
    normalizedInliers(own, tokens - sinks, headDim, format).forEach((x, i) => {
      if (Number.isNaN(x)) return
      into.x.push(x)
      into.mass.push(weights?.[from + i] ?? 1)
    })
  }
}

function fit({ x, mass }: Points): Codebooks {
  const [points, weights] = x.length > gridCells ? onGrid(x, mass) : [x, mass]
  const book = (bits: number) =>
    kmeans(points, 2 ** bits, weights).map((level) => Number(level.toPrecision(9)))
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
