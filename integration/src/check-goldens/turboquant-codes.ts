import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { beyond } from './arrays.ts'
import type { QuantizerCase, QuantizerInput } from './next-quantizers.ts'
import { joined, meanSquares, offBy, storedParts } from './stored-by-method.ts'

/** Below this norm half precision loses digits, and the original's 1e-8 beside it shows. */
const SMALL_NORM = 1e-4

/** TurboQuant's keys (levels by norm) or values (uniform, not rotated). */
export const checkTurboquant = (
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> =>
  test.tensor === 'v' ? checkValues(engine, test, input) : checkKeys(engine, test, input)

const quantizer = (test: QuantizerCase, keepNorm = true) =>
  ({
    method: 'turboquant',
    bits: test.bits ?? 4,
    center: test.centre === true,
    keepNorm,
    recent: 0,
  }) as const

async function checkKeys(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const { tokens, headDim } = input
  const heads = await storedParts(engine, input, quantizer(test), 'k')
  const [codes, norms, levels] = [input.array('codes'), input.array('norm'), input.array('centroids')]
  // The exact levels are not the original's table: few codes differ, and what is read back a little.
  const few = Math.max(1, Math.ceil(0.003 * codes.length)) + (test.near_boundary ?? 0)
  let differing = 0
  const problems: string[] = []
  for (const [head, parts] of heads.entries()) {
    const ours = joined(parts, 'codes')
    const stored = joined(parts, 'stored')
    for (let t = 0; t < tokens; t++) {
      const row = head * tokens + t
      const mine = stored.slice(t * headDim, (t + 1) * headDim)
      const norm = Math.hypot(...mine)
      const off = offBy(`head ${head} token ${t}: norm`, norm, norms[row]!, 1e-3, 6e-8)
      if (off) problems.push(off)
      if (norms[row]! < SMALL_NORM) continue
      for (let c = 0; c < headDim; c++) {
        const away = Math.abs(ours[t * headDim + c]! - codes[row * headDim + c]!)
        // An exact zero lies on the middle boundary.
        if (away > 1)
          problems.push(
            `head ${head} token ${t} channel ${c}: code ${ours[t * headDim + c]}, theirs ${codes[row * headDim + c]}`,
          )
        else differing += away
      }
    }
  }
  if (problems.length > 0) return problems[0]
  if (differing > few) return `${differing} codes differ by 1, at most ${few} may`
  return (
    compareErrors(
      heads.map((parts) => joined(parts, 'values')),
      test,
      input,
      levels.length,
      heads.flatMap((parts) => joined(parts, 'codes')),
    ) ?? (input.has('recon_plain') ? await checkPlain(engine, test, input) : undefined)
  )
}

/** What is read back: its error, and the values of rows with the same codes. */
function compareErrors(
  values: readonly number[][],
  test: QuantizerCase,
  input: QuantizerInput,
  levels: number,
  ourCodes: readonly number[],
  which: 'mse' | 'mse_plain' = 'mse',
): string | undefined {
  if (levels !== 2 ** (test.bits ?? 4)) return `${levels} levels`
  const relative = values.flat().length < 1000 ? 0.02 : 4e-3
  const theirs = (test as unknown as Record<string, number>)[which] ?? NaN
  const error = offBy(which, meanSquares(values, input.k), theirs, relative, 1e-12)
  if (error) return error
  const name = which === 'mse' ? 'recon_norm_corrected' : 'recon_plain'
  if (!input.has(name)) return undefined
  const [recon, codes, flat] = [input.array(name), input.array('codes'), values.flat()]
  // Rows whose codes are equal differ by the rounding of norms and the table of levels only.
  for (let row = 0; row < flat.length; row += input.headDim) {
    const part = (x: readonly number[] | Float64Array) => Array.from(x.slice(row, row + input.headDim))
    if (part(ourCodes).some((code, i) => code !== codes[row + i])) continue
    const off = beyond(
      `values of row ${row / input.headDim}`,
      part(flat),
      part(recon),
      3e-3 * Math.hypot(...part(recon)),
    )
    if (off) return off
  }
  return undefined
}

async function checkPlain(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const heads = await storedParts(engine, input, quantizer(test, false), 'k')
  return compareErrors(
    heads.map((parts) => joined(parts, 'values')),
    test,
    input,
    2 ** (test.bits ?? 4),
    heads.flatMap((parts) => joined(parts, 'codes')),
    'mse_plain',
  )
}

async function checkValues(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const heads = await storedParts(engine, input, quantizer(test), 'v')
  const [codes, scales, minima] = [input.array('codes'), input.array('scale'), input.array('minimum')]
  const flat = heads.map((parts) => joined(parts, 'codes')).flat()
  const differing = flat.filter((code, i) => code !== codes[i]).length
  const far = flat.findIndex((code, i) => Math.abs(code - codes[i]!) > 1)
  if (far >= 0) return `code ${far} is ${flat[far]}, theirs ${codes[far]}`
  if (differing > (test.near_boundary ?? 0))
    return `${differing} codes differ, at most ${test.near_boundary} lie near a boundary`
  const ours = {
    scales: heads.flatMap((parts) => joined(parts, 'scales')),
    minima: heads.flatMap((parts) => joined(parts, 'offsets')),
  }
  for (const [i, scale] of ours.scales.entries()) {
    const off =
      offBy(`scale ${i}`, scale, scales[i]!, 1e-3, 6e-8) ??
      offBy(`minimum ${i}`, ours.minima[i]!, minima[i]!, 1e-3, 6e-8)
    if (off) return off
  }
  const values = heads.flatMap((parts) => joined(parts, 'values'))
  if (!input.has('recon')) return undefined
  const recon = input.array('recon')
  const largest = recon.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return beyond('values', values, recon, 1e-3 * largest)
}
