import {
  channelThresholds,
  kmeans,
  quantizeKeysNuq,
  quantizeValuesNuq,
  weightedError,
} from '@qpkv/quantizer-kvquant'
import { roundF16 } from '@qpkv/reference'
import { beyond, readBytesOf, readFloats, type ArrayReference } from './arrays.ts'
import { Tally, type FamilyResult } from './report.ts'

export interface KvquantCase {
  which: 'key' | 'value'
  bits: number
  include_sparse: boolean
  sparsity_threshold: number
  fisher: boolean
  /** [tokens, channels of all heads] */
  calib: ArrayReference
  fisher_weights: ArrayReference
  eval: ArrayReference
  upper: ArrayReference
  lower: ArrayReference
  lut_sorted: ArrayReference
  kmeans_weighted_sse: number
  eval_outlier_mask?: ArrayReference
  dequant: ArrayReference
}

/** What the original clusters: inliers of the calibration data, scaled to [-1, 1] by their thresholds, and their weights. */
function clusteredPoints(
  test: KvquantCase,
  x: Float32Array,
  columns: number,
  lower: Float32Array,
  upper: Float32Array,
  fisher: Float32Array,
) {
  const points: number[] = []
  const weights: number[] = []
  const round = test.which === 'key' ? roundF16 : (value: number) => value
  x.forEach((value, i) => {
    const group = test.which === 'key' ? i % columns : Math.floor(i / columns)
    const [low, high] = [round(lower[group] ?? NaN), round(upper[group] ?? NaN)]
    const outside = test.which === 'key' ? value < low || value > high : value <= low || value >= high
    if (test.include_sparse && outside) return
    points.push((value - (high + low) / 2) / ((high - low) / 2))
    weights.push(test.fisher ? (fisher[i] ?? 1) : 1)
  })
  return { points, weights }
}

function checkCase(folder: string, test: KvquantCase): string | undefined {
  const [tokens = 0, columns = 0] = test.calib.shape
  const calibration = readFloats(folder, test.calib)
  const [lower, upper] = [readFloats(folder, test.lower), readFloats(folder, test.upper)]
  if (test.which === 'key') {
    const ours = channelThresholds(calibration, tokens, columns, test.sparsity_threshold)
    const problem =
      beyond('lower thresholds', ours.lower, lower, 1e-5) ??
      beyond('upper thresholds', ours.upper, upper, 1e-5)
    if (problem) return problem
  }
  const codebook = [...readFloats(folder, test.lut_sorted)]
  const x = readFloats(folder, test.eval)
  const coded =
    test.which === 'key'
      ? quantizeKeysNuq(x, columns, codebook, { lower, upper }, test.include_sparse)
      : quantizeValuesNuq(x, columns, codebook, test.sparsity_threshold, test.include_sparse)
  const problem =
    beyond('values', coded.values, readFloats(folder, test.dequant), 1e-4) ??
    (test.eval_outlier_mask &&
      beyond('outlier mask', coded.outliers, readBytesOf(folder, test.eval_outlier_mask), 0))
  if (problem) return problem
  const { points, weights } = clusteredPoints(
    test,
    calibration,
    columns,
    lower,
    upper,
    readFloats(folder, test.fisher_weights),
  )
  const error = weightedError(points, kmeans(points, 2 ** test.bits, weights), weights)
  return error <= 1.02 * test.kmeans_weighted_sse
    ? undefined
    : `k-means error ${error}, theirs ${test.kmeans_weighted_sse}`
}

/**
 * KVQuant's simulated quantization: thresholds, codebook, outliers and values. The original takes thresholds
 * of all tokens from calibration data; our tiles take ranges from the kept tokens, so these cases go through
 * the package's own calibration code (simulated).
 */
export function checkKvquant(folder: string, tests: readonly KvquantCase[]): FamilyResult {
  const tally = new Tally('kvquant')
  for (const test of tests) {
    const id = `${test.which} ${test.bits} bit${test.include_sparse ? ' sparse' : ''}${test.fisher ? ' fisher' : ''}`
    try {
      tally.record(id, checkCase(folder, test))
    } catch (error) {
      tally.record(id, String(error))
    }
  }
  return tally.result({ simulated: true })
}
