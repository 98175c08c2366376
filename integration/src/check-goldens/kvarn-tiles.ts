import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { restoreRows, roundF16 } from '@qpkv/reference'
import { sliceTokens } from './arrays.ts'
import type { QuantizerCase, QuantizerInput } from './next-quantizers.ts'
import { joined, meanSquares, offBy, storedParts } from './stored-by-method.ts'

/** Codes of a tile that may differ by 1 beside those near a boundary. */
const FEW = 0.0005

/** One tile of KVarN: codes, products of its two scales, and the error of what is read back. */
export async function checkKvarn(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const { headDim } = input
  const { group = 128, head = 0, token_start: first = 0, bits = 4, iterations = 16 } = test
  const tile = (x: Float32Array) =>
    sliceTokens(
      x.subarray(head * input.tokens * headDim, (head + 1) * input.tokens * headDim),
      [1, input.tokens, headDim],
      first,
      group,
    )
  const keys = test.tensor !== 'v'
  const tensors = { k: tile(input.k), v: tile(input.v), heads: 1, tokens: group, headDim }
  const quantize = { method: 'kvarn', keyBits: bits, valueBits: bits, steps: iterations, recent: 0 }
  const [parts = []] = await storedParts(engine, tensors, quantize, keys ? 'k' : 'v')
  const [codes, rows, columns] = [input.array('codes'), input.array('row_scale'), input.array('col_scale')]
  const ours = joined(parts, 'codes')
  // Their tiles have the tensor with scales in rows: channels of keys, tokens of values.
  const at = (row: number, column: number) => (keys ? column * headDim + row : row * headDim + column)
  let differing = 0
  for (let r = 0; r < rows.length; r++)
    for (let c = 0; c < columns.length; c++)
      differing += ours[at(r, c)] === codes[r * columns.length + c] ? 0 : 1
  const [scales, minima, balance] = [
    joined(parts, 'scales'),
    joined(parts, 'offsets'),
    joined(parts, 'balance'),
  ]
  // What ours would read as with their metadata in half precision.
  const stored = Float32Array.from(ours, (code, i) => {
    const [token, channel] = [Math.floor(i / headDim), i % headDim]
    const [row, column] = keys ? [channel, token] : [token, channel]
    return (code * roundF16(scales[row]!) + roundF16(minima[row]!)) * roundF16(balance[column]!)
  })
  const values = restoreRows(stored, headDim, { transform: 'hadamard' })
  const error = meanSquares([Array.from(values)], keys ? tensors.k : tensors.v)
  // Another step of equal imbalance: other codes, as near to the values.
  if (differing > (test.near_boundary ?? 0) + FEW * ours.length)
    return offBy(`${differing} codes differ; mean squared error`, error, test.mse ?? NaN, 0.02)
  const off = offBy('mean squared error', error, test.mse ?? NaN, 5e-3, 1e-12)
  if (off) return off
  for (let r = 0; r < rows.length; r++)
    for (let c = 0; c < columns.length; c++) {
      const theirs = rows[r]! * columns[c]!
      const product = offBy(
        `row ${r} column ${c}: product of the scales`,
        scales[r]! * balance[c]!,
        theirs,
        2e-3,
        6e-8 * columns[c]!,
      )
      if (product) return product
    }
  return undefined
}
