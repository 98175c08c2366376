import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import type { QuantizerCase, QuantizerInput } from './next-quantizers.ts'
import { joined, meanSquares, offBy, storedParts } from './stored-by-method.ts'

const options = {
  uniform_int_zero: { offset: 'integer' },
  uniform_min: { offset: 'minimum-1e-5' },
  vllm_int4: { offset: 'in-scale' },
} as const

/** One row (token of a head): ours and theirs. */
interface Row {
  readonly codes: readonly number[]
  readonly theirCodes: readonly number[]
  readonly scale: number
  readonly theirScale: number
  readonly offset: number
  readonly theirOffset: number
  /** As stored: in the rotated frame. */
  readonly low: number
  readonly flat: boolean
}

/** Uniform codes per token: codes, scales, offsets and the error of what is read back. */
export async function checkUniform(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const method = test.method as keyof typeof options
  const { tokens, headDim } = input
  const signs = test.rotation === 'signs'
  const quantize = { method: 'hadamard', bits: test.bits ?? 4, recent: 0, signs, ...options[method] }
  const heads = await storedParts(engine, input, quantize, test.tensor ?? 'k')
  // Exact float32 in the rotated frame says where ties are.
  const exact = await storedParts(
    engine,
    input,
    { method: 'hadamard', recent: tokens, signs },
    test.tensor ?? 'k',
  )
  const theirs = theirArrays(test, input)
  let differing = 0
  for (const [head, parts] of heads.entries()) {
    const [codes, scales, offsets] = [
      joined(parts, 'codes'),
      joined(parts, 'scales'),
      joined(parts, 'offsets'),
    ]
    const rotated = joined(exact[head]!, 'stored')
    for (let t = 0; t < tokens; t++) {
      const row = head * tokens + t
      const values = rotated.slice(t * headDim, (t + 1) * headDim)
      const low = Math.min(...values)
      const result = compareRow(
        {
          codes: codes.slice(t * headDim, (t + 1) * headDim),
          theirCodes: Array.from(theirs.codes.slice(row * headDim, (row + 1) * headDim)),
          scale: scales[t]!,
          theirScale: theirs.scales[row]!,
          offset: offsets[t]!,
          theirOffset: theirs.offsets[row]!,
          low,
          flat: values.every((x) => x === 0),
        },
        method,
      )
      if (typeof result === 'string') return `head ${head} token ${t}: ${result}`
      differing += result
    }
  }
  if (differing > (test.near_boundary ?? 0))
    return `${differing} codes differ by 1, at most ${test.near_boundary} lie near a boundary`
  const source = test.tensor === 'v' ? input.v : input.k
  const values = heads.map((parts) => joined(parts, 'values'))
  return offBy('mean squared error', meanSquares(values, source), test.mse ?? NaN, 1e-3, 1e-12)
}

/** Codes that differ by 1, or what is wrong. */
function compareRow(row: Row, method: keyof typeof options): number | string {
  // A row of zeros has a scale of its own there, and zeros in both.
  if (row.flat) return 0
  const zeros = method !== 'uniform_min'
  const scale = offBy('scale', row.scale, row.theirScale, method === 'vllm_int4' ? 3e-6 : 1e-6)
  if (scale) return scale
  if (zeros && row.offset !== row.theirOffset) {
    const place = Math.abs((-row.low / row.scale) % 1)
    return Math.abs(row.offset - row.theirOffset) === 1 && Math.abs(place - 0.5) < 1e-3
      ? 0
      : `zero ${row.offset}, theirs ${row.theirOffset}`
  }
  const minimum = zeros ? undefined : offBy('minimum', row.offset, row.theirOffset, 1e-6, 1e-6 * row.scale)
  if (minimum) return minimum
  let differing = 0
  for (const [c, code] of row.codes.entries()) {
    const away = Math.abs(code - row.theirCodes[c]!)
    if (away > 1) return `channel ${c}: code ${code}, theirs ${row.theirCodes[c]}`
    differing += away
  }
  return differing
}

/** Codes, scales and offsets; vLLM's from its packed bytes and scale words, whose rotation is not divided by the root of its length. */
function theirArrays(test: QuantizerCase, { array, headDim }: QuantizerInput) {
  if (test.method !== 'vllm_int4')
    return {
      codes: array('codes'),
      scales: array('scale'),
      offsets: array(test.method === 'uniform_min' ? 'minimum' : 'zero'),
    }
  const words = Uint32Array.from(array('scale_word'))
  const unit = test.rotation === 'signs' ? Math.sqrt(headDim & -headDim) : 1
  return {
    codes: Float64Array.from([...array('packed')].flatMap((byte) => [byte & 15, byte >> 4])),
    scales: Float64Array.from(
      new Float32Array(words.map((word) => (word & ~15) >>> 0).buffer),
      (scale) => scale / unit,
    ),
    offsets: Float64Array.from(words, (word) => word & 15),
  }
}
