import {
  expected,
  isPlainObject,
  refuseUnknown,
  type Block,
  type ModelFacts,
  type RoundTrip,
} from '@qpkv/spec'
import { kvError } from './errors.ts'
import type { NativePrefill } from './native/addon.ts'

/**
 * A layer whose coding runs in TypeScript: the kept tokens are chosen first, then coded and read back, and the result is stored.
 * Quality is true, bytes are counted by the method, and there is no speed to gain.
 */
export async function roundTripLayer(
  prefill: NativePrefill,
  index: number,
  layer: number,
  heads: number,
  facts: ModelFacts,
  roundTrip: (block: Block) => RoundTrip,
  given: { scores: Float32Array } | undefined,
): Promise<{ positions: readonly Int32Array[]; bytes: number }> {
  const positions = await prefill.compressLayer(index, { ...given, selectOnly: true })
  let bytes = 0
  const code = async (tensor: 'key' | 'value'): Promise<Float32Array> => {
    const exact = await prefill.exact(tensor) // [kvHeads, tokens, headDim]
    const { stored, counted } = codeKept(
      exact,
      { layer, tensor, heads, headDim: facts.headDim },
      facts,
      positions,
      roundTrip,
    )
    bytes += counted
    return stored
  }
  const replacement = { key: await code('key'), value: await code('value') }
  return { positions: await prefill.compressLayer(index, { ...given, replacement }), bytes }
}

/** Gathers the kept tokens, codes them, and puts what reading back gives at their positions: [heads, tokens, headDim]. */
function codeKept(
  exact: Float32Array,
  shape: Pick<Block, 'layer' | 'tensor' | 'heads' | 'headDim'>,
  facts: ModelFacts,
  positions: readonly Int32Array[],
  roundTrip: (block: Block) => RoundTrip,
): { stored: Float32Array; counted: number } {
  const { heads, headDim } = shape
  const tokens = exact.length / (facts.kvHeads * headDim)
  const group = heads / facts.kvHeads
  const kept = positions[0]?.length ?? 0
  if (positions.some((head) => head.length !== kept))
    throw kvError(
      'KV_UNSUPPORTED',
      'A simulated quantizer needs equally many tokens in every head of a layer.',
    )
  const values = new Float32Array(heads * kept * headDim)
  const rows = function* () {
    for (const [head, list] of positions.entries())
      for (const [i, position] of list.entries())
        yield {
          head,
          at: (head * kept + i) * headDim,
          from: (Math.floor(head / group) * tokens + position) * headDim,
          to: (head * tokens + position) * headDim,
        }
  }
  for (const { at, from } of rows()) values.set(exact.subarray(from, from + headDim), at)
  const result = roundTrip({ ...shape, tokens: kept, values })
  checkResult(result, values.length, `${shape.tensor === 'key' ? 'keys' : 'values'} of layer ${shape.layer}`)
  const stored = new Float32Array(heads * tokens * headDim)
  for (const { at, to } of rows()) stored.set(result.values.subarray(at, at + headDim), to)
  return { stored, counted: result.bytes }
}

/** What a method returns is looked at before the engine takes it: what is wrong there would show far from its cause. */
function checkResult(result: RoundTrip, count: number, what: string): void {
  const from = `the quantizer's roundTrip() for the ${what}`
  if (!isPlainObject(result)) throw expected('{ values, bytes }', from, result, 'KV_METHOD')
  refuseUnknown(result, ['values', 'bytes'], 'roundTrip()', 'KV_METHOD', 'field')
  const { values, bytes } = result
  if (!(values instanceof Float32Array) || values.length !== count)
    throw kvError('KV_METHOD', `Expected a Float32Array of ${count} values from ${from}.`)
  if (values.some(Number.isNaN)) throw kvError('KV_NUMERIC', `NaN came from ${from}.`)
  if (!(Number.isFinite(bytes) && bytes >= 0))
    throw expected('a number of bytes', `bytes of ${from}`, bytes, 'KV_METHOD')
}
