import { openArrays, readJson, type ArrayRef } from '@qpkv/conformance'
import { roundF16 } from '@qpkv/reference'
import { expect, test } from 'vitest'
import { channelThresholds, kmeans, quantizeKeysNuq, quantizeValuesNuq, weightedError } from '../src/index.ts'

interface NuqCase {
  which: 'key' | 'value'
  bits: number
  include_sparse: boolean
  sparsity_threshold: number
  fisher: boolean
  calib: ArrayRef
  fisher_weights: ArrayRef
  eval: ArrayRef
  upper: ArrayRef
  lower: ArrayRef
  lut_sorted: ArrayRef
  kmeans_points: number
  kmeans_weighted_sse: number
  eval_outlier_mask?: ArrayRef
  dequant: ArrayRef
}

const columns = 64

test.each(['kvquant-key-2bit', 'kvquant-value-2bit', 'kvquant-value-3bit'])(
  '%s equals the recorded run',
  (name) => {
    const file = readJson(new URL(`goldens/${name}.json`, import.meta.url)) as { cases: NuqCase[] }
    const c = file.cases[0]!
    const arrays = openArrays(new URL(`goldens/${name}.bin`, import.meta.url))
    const lower = arrays.floats(c.lower)
    const upper = arrays.floats(c.upper)
    const calibration = arrays.floats(c.calib)
    if (c.which === 'key') {
      const ours = channelThresholds(calibration, 256, columns, c.sparsity_threshold)
      lower.forEach((x, i) =>
        expect(Math.abs(ours.lower[i]! - x)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(x))),
      )
      upper.forEach((x, i) =>
        expect(Math.abs(ours.upper[i]! - x)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(x))),
      )
    }
    const codebook = [...arrays.floats(c.lut_sorted)]
    const x = arrays.floats(c.eval)
    const ours =
      c.which === 'key'
        ? quantizeKeysNuq(x, columns, codebook, { lower, upper }, c.include_sparse)
        : quantizeValuesNuq(x, columns, codebook, c.sparsity_threshold, c.include_sparse)
    arrays
      .floats(c.dequant)
      .forEach((v, i) => expect(Math.abs(ours.values[i]! - v)).toBeLessThanOrEqual(1e-4))
    if (c.eval_outlier_mask) expect([...ours.outliers]).toEqual([...arrays.bytes(c.eval_outlier_mask)])

    // The same points and weights that the original clustered: ours is exact, so it may not be worse.
    const points: number[] = []
    const weights: number[] = []
    calibration.forEach((v, i) => {
      const g = c.which === 'key' ? i % columns : Math.floor(i / columns)
      const [low, high] =
        c.which === 'key' ? [roundF16(lower[g]!), roundF16(upper[g]!)] : [lower[g]!, upper[g]!]
      if (c.include_sparse && (c.which === 'key' ? v < low || v > high : v <= low || v >= high)) return
      points.push((v - (high + low) / 2) / ((high - low) / 2))
      weights.push(c.fisher ? arrays.floats(c.fisher_weights)[i]! : 1)
    })
    const recorded = weightedError(points, codebook, weights)
    const exact = weightedError(points, kmeans(points, 2 ** c.bits, weights), weights)
    expect(exact).toBeLessThanOrEqual(recorded * (1 + 1e-6))
    expect(exact).toBeLessThanOrEqual(1.02 * c.kmeans_weighted_sse)
  },
)
