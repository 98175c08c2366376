import type { CompressionPlan, LayerPlan, SegmentPlan } from '@qpkv/spec'
import { kvError } from '../errors.ts'

/**
 * How a context is stored once a text was appended that is compressed by a plan of its own: all that was there stays as it lies,
 * its newest tokens exact, in segments before those of the text; later tokens go on by the text's plan.
 *
 * segments: tokens in each of the present plan's segments, [layers][stored heads].
 */
export function appendedPlan(
  current: CompressionPlan,
  segments: readonly (readonly Int32Array[])[],
  added: CompressionPlan,
): CompressionPlan {
  return {
    ...added,
    promptTokens: current.promptTokens + added.promptTokens,
    layers: added.layers.map((layer, at) => join(current.layers[at]!, segments[at] ?? [], layer)),
  }
}

function join(current: LayerPlan, held: readonly Int32Array[], added: LayerPlan): LayerPlan {
  const countsOf = (segment: number) => held.map((heads) => heads[segment] ?? 0)
  const stays = current.segments.map((segment, i): SegmentPlan =>
    segment.role === 'sinks' ? segment : { ...segment, role: 'packed', tokens: { counts: countsOf(i) } },
  )
  const slots = held.map((counts, head) => {
    const more = added.tokens.perHead
    return counts.reduce((sum, n) => sum + n, 0) + (typeof more === 'number' ? more : (more[head] ?? 0))
  })
  return {
    ...added,
    segments: [...stays, ...segmentsOf(added, held.length)],
    tokens: { perHead: slots, pool: 'head', floor: 0 },
  }
}

/** Of the text: its first exact tokens count as a tier, since sinks begin a cache; without a width it is exact as a whole. */
function segmentsOf({ segments, tokens, protect }: LayerPlan, heads: number): readonly SegmentPlan[] {
  const recent = segments.at(-1)!
  const packed = segments.filter(({ role }) => role === 'packed')
  if (packed.length === 0)
    return [
      { ...recent, role: 'packed', tokens: 'rest' },
      { ...recent, tokens: 0 },
    ]
  const [first] = segments
  const sinks: SegmentPlan[] =
    first?.role === 'sinks' && typeof first.tokens === 'number'
      ? [{ ...first, role: 'packed', tokens: { counts: Array<number>(heads).fill(first.tokens) } }]
      : []
  // No more than every head keeps of the text for certain: what was there before is not part of it.
  const certain =
    tokens.pool === 'head' && typeof tokens.perHead === 'number' ? tokens.perHead : Math.max(protect.last, 0)
  const newest = typeof recent.tokens === 'number' ? Math.min(recent.tokens, certain) : certain
  return [...sinks, ...packed, { ...recent, tokens: newest }]
}

/** @throws KV_UNSUPPORTED for a text that cannot be stored behind what is there, naming why */
export function requireAppendable(current: CompressionPlan, added: CompressionPlan): void {
  if (current.heads !== added.heads)
    refuse(
      `heads is '${added.heads}', but the context stores tokens per ${current.heads === 'query' ? 'query head' : 'KV head'}`,
    )
  for (const [at, layer] of added.layers.entries()) {
    const present = current.layers[at]!
    for (const [whose, plan] of [
      ['the spec', layer],
      ['the context', present],
    ] as const) {
      if (plan.evict !== 'never') refuse(`${whose} drops tokens while it goes on (layer ${at})`)
      if (plan.positions !== 'true') refuse(`${whose} counts positions by the cache (layer ${at})`)
      if (plan.residual.keys === 'block' || plan.residual.values === 'token')
        refuse(`${whose} codes keys by blocks and values by tokens (layer ${at}, residual)`)
    }
    if (layer.segments.some(({ role, tokens }) => role === 'packed' && typeof tokens === 'object'))
      refuse(`the spec assigns tiers by score (layer ${at})`)
    if (JSON.stringify([layer.keys, layer.values]) !== JSON.stringify([present.keys, present.values]))
      refuse(
        `the spec and the context transform keys or values, or turn keys, in different ways (layer ${at})`,
      )
  }
}

function refuse(why: string): never {
  throw kvError(
    'KV_UNSUPPORTED',
    `The appended text cannot be compressed by this spec in this context: ${why}.`,
    'Choose another spec for it, or append it as it is and use recompress() on the whole.',
  )
}
