import type { ModelFacts, RoundTrip, Block } from '@qpkv/spec'
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
  if (result.values.length !== values.length)
    throw kvError(
      'KV_METHOD',
      `Expected ${values.length} values from the quantizer's roundTrip() but received ${result.values.length}.`,
    )
  const stored = new Float32Array(heads * tokens * headDim)
  for (const { at, to } of rows()) stored.set(result.values.subarray(at, at + headDim), to)
  return { stored, counted: result.bytes }
}
