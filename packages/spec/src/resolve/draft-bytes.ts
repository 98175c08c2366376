import { KvError } from '../errors.ts'
import type { AllocatedTokens, AllocationStorage } from '../method/allocator.ts'
import type { BoundQuantizer } from '../method/quantizer.ts'
import type { SegmentPlan } from '../plan/layer-plan.ts'
import { headBytes, layerBytes, meanBytes, nominalBits, tableBytes, tierCount } from '../plan/plan-bytes.ts'
import { allocatedSegments, isAllocated } from './allocated-segments.ts'
import type { CheckedSelection } from './check-selection.ts'
import type { CheckedSharing } from './check-sharing.ts'
import { isTiered } from './layer-tokens.ts'
import type { ResolvedStorage } from './resolve-storage.ts'

/** Bytes of a layer before its tokens are counted. */
export interface DraftBytes {
  /** Real bytes of the layer when its stored heads keep these tokens. */
  readonly bytes: (tokens: AllocatedTokens) => number
  /** What an allocator may count bytes of heads by, where each may keep its own number of tokens. */
  readonly heads: AllocationStorage | undefined
  /** Whether `bytes` never falls; it does where the block rule fills a block or a pool of heads ends, and a simulation may do anything. */
  readonly bytesRise: boolean
  /** Equal keys have equal `bytes`. */
  readonly bytesKey: string
  /** Bytes without tables of so many tokens per head on average, whoever of the pool gets them; and the tables'. */
  readonly atMost: (tokens: number) => number
  readonly tables: number
}

interface Stored {
  readonly storage: ResolvedStorage
  readonly selection: CheckedSelection
  readonly sharing: CheckedSharing
  readonly quantizer: BoundQuantizer
  readonly layer: number
  readonly candidates: number
  readonly heads: number
  readonly headDim: number
}

/** How a layer counts its bytes. A simulation counts with its quantizer; everything else is counted by tiles. */
export function bytesOf({
  storage,
  selection,
  sharing,
  quantizer,
  layer,
  candidates,
  heads,
  headDim,
}: Stored): DraftBytes {
  const { keys, segments, residual, simulated } = storage
  // What eviction costs does not depend on by which score.
  const evict = selection.evict === 'never' ? 'never' : 'fifo'
  const stored = { keys, segments, residual, evict } as const
  const bytesKey = `${JSON.stringify({ ...stored, ...sharing })} ${simulated ? layer : ''} ${candidates}`
  if (simulated) {
    const count = quantizer.roundTripBytes
    if (!count) throw new KvError('KV_METHOD', 'A quantizer that is simulated must count its bytes.')
    const bytes = (tokens: AllocatedTokens) => {
      if (typeof tokens !== 'number')
        throw new KvError(
          'KV_CONFLICT',
          `The heads of layer ${layer} keep different numbers of tokens; a simulated quantizer needs equally many.`,
        )
      return (['key', 'value'] as const).reduce(
        (sum, tensor) => sum + count({ layer, tensor, heads, tokens, headDim }),
        0,
      )
    }
    return { bytes, heads: undefined, bytesRise: false, bytesKey, atMost: bytes, tables: 0 }
  }
  const tables = tableBytes(stored)
  const means = meanBytes(stored, heads, headDim)
  const atMost = layerBytes(stored, sharing, heads, headDim)
  const whole = layerBytes(stored, { pool: 'head' }, heads, headDim)
  const listed = (counts: readonly number[], allocated = stored) =>
    counts.reduce((sum, n, head) => sum + headBytes(allocated, n, headDim, head), tables + means)
  const bytes = (tokens: AllocatedTokens) => {
    if (typeof tokens === 'number') return (tokens < candidates ? atMost : whole)(tokens) + tables
    if (!isTiered(tokens)) return listed(tokens)
    return listed(tokens.perHead, { ...stored, segments: allocatedSegments(segments, tokens) })
  }
  const own = selection.evict === 'never' && selection.positions === 'true'
  const perHead: AllocationStorage = {
    widths: widthsOf(segments),
    exact: exactTokens(segments),
    headBytes: (tokens, tiers) => {
      const one = { perHead: [tokens], tiers: tiers.map((n) => [n]) }
      return headBytes({ ...stored, segments: allocatedSegments(segments, one) }, tokens, headDim)
    },
    fixedBytes: tables + means,
  }
  const bytesRise = residual.keys !== 'block' && sharing.pool === 'head' && tierCount(segments) < 2
  return { bytes, heads: own ? perHead : undefined, bytesRise, bytesKey, atMost, tables }
}

/** Tokens in exact segments beside packed ones. */
const exactTokens = (segments: readonly SegmentPlan[]): number =>
  tierCount(segments) === 0
    ? 0
    : segments.reduce(
        (sum, { role, tokens }) => sum + (role !== 'packed' && typeof tokens === 'number' ? tokens : 0),
        0,
      )

/** Nominal bits of each tier that the allocator counts and of the last; where it counts none, those of all. */
function widthsOf(segments: readonly SegmentPlan[]): readonly number[] {
  const counted = segments.filter(isAllocated)
  if (counted.length === 0) return [nominalBits({ segments })]
  const last = segments.findLast(({ role }) => role === 'packed')!
  return [...counted, last].map(({ key, value }) => (key.bits + value.bits) / 2)
}
