import { expected, KvError } from '../errors.ts'
import type { ModelFacts } from '../facts.ts'
import { isPlainObject } from '../json.ts'
import type { BoundQuantizer, LayerStorage } from '../method/quantizer.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkFormat } from '../plan/check-format.ts'
import { checkKeys, checkResidual, checkValues } from '../plan/check-storage.ts'
import { exactFormat } from '../plan/formats.ts'
import type { LayerPlan, Residual, SegmentPlan } from '../plan/layer-plan.ts'
import type { Tier } from '../spec/tiers.ts'
import { LANES } from '../plan/tile-bytes.ts'
import type { Bits, Element, TensorFormat } from '../plan/tensor-format.ts'
import type { LayerSettings } from '../spec/layer-override.ts'

/** What 16 bit means. `f32` is the float32 mode: metadata become f32 too, counted as such. */
export type StoragePrecision = Element

/** The storage of a layer as the plan will hold it. */
export type ResolvedStorage = Pick<LayerPlan, 'segments' | 'residual' | 'simulated' | 'keys' | 'values'>

const fields = ['key', 'value', 'keys', 'values', 'tiers', 'recent', 'sinks', 'residual', 'simulated']
const groups: Residual = { keys: 'group', values: 'group' }

/** Step 1 of resolve(): the quantizer speaks, then layer overrides of bits, then the precision. */
export function resolveStorage(
  quantizer: BoundQuantizer,
  at: {
    layer: number
    model: ModelFacts
    heads: 'kv' | 'query'
    override: LayerSettings
    tiers?: readonly Tier[] | undefined
  },
  precision: StoragePrecision,
): ResolvedStorage {
  const { tiers: widths, ...one } = at
  // An override of bits is about the whole layer.
  const overridden = at.override.keyBits !== undefined || at.override.valueBits !== undefined
  if (widths !== undefined && !overridden) return resolveTiers(quantizer, one, widths, precision)
  const { layer, model, heads, override } = at
  const { keyBits, valueBits } = override
  const path = `quantize (layer ${layer})`
  const storage = quantizer.format({
    layer,
    model,
    heads,
    ...(keyBits !== undefined && { keyBits }),
    ...(valueBits !== undefined && { valueBits }),
  })
  if (!isPlainObject(storage)) throw expected('an object { key, value, … }', path, storage, 'KV_METHOD')
  refuseUnknown(storage, fields, path, 'KV_METHOD', 'field')
  checkWindows(storage, path)
  const kept = {
    keys: checkKeys(storage.keys ?? {}, model.headDim, `${path}.keys`),
    values: checkValues(storage.values ?? {}, model.headDim, `${path}.values`),
    residual: checkResidual(storage.residual ?? groups, `${path}.residual`),
  }
  if (storage.simulated) return resolveSimulated(storage, override, precision, path)
  if (quantizer.roundTrip)
    throw new KvError('KV_METHOD', `${path} is coded by roundTrip() and does not say so.`, {
      hint: 'Add simulated: { keyBits, valueBits } to what format() returns, or let simulation.used() return false.',
    })
  const resolveFormat = (format: TensorFormat, bits: Bits | undefined, field: 'key' | 'value', at: string) =>
    checkFormat(withPrecision(withBits(format, bits, layer, `${field}Bits`), precision), model.headDim, at)
  const tiers = [...(storage.tiers ?? []), { key: storage.key, value: storage.value }].map((tier, i, all) => {
    const at = i < all.length - 1 ? `${path}.tiers[${i}]` : path
    return {
      tokens: 'share' in tier ? ({ share: checkShare(tier.share, at) } as const) : ('rest' as const),
      key: resolveFormat(tier.key, keyBits, 'key', `${at}.key`),
      value: resolveFormat(tier.value, valueBits, 'value', `${at}.value`),
    }
  })
  return { ...kept, segments: makeSegments(tiers, storage, precision) }
}

/** The same with several widths, each as the quantizer stores a layer of that width. */
function resolveTiers(
  quantizer: BoundQuantizer,
  at: { layer: number; model: ModelFacts; heads: 'kv' | 'query'; override: LayerSettings },
  tiers: readonly Tier[],
  precision: StoragePrecision,
): ResolvedStorage {
  const resolved = tiers.map(({ bits }) =>
    resolveStorage(quantizer, { ...at, override: { keyBits: bits, valueBits: bits } }, precision),
  )
  const refuse = (what: string, hint: string) =>
    new KvError('KV_CONFLICT', `tiers: ${what} (layer ${at.layer}).`, { hint })
  const last = resolved.at(-1)!
  const beside = ({ keys, values, residual, segments }: ResolvedStorage) =>
    JSON.stringify({ keys, values, residual, beside: segments.filter(({ role }) => role !== 'packed') })
  if (last.simulated) throw refuse('the quantizer is simulated', 'Choose a storage that is packed.')
  if (last.residual.keys === 'block')
    throw refuse(
      'keys and values leave the window by different rules, so that a token has no one tier',
      'Leave residual out.',
    )
  const packed = resolved.flatMap((storage, i) => {
    const { share, bits } = tiers[i]!
    const found = storage.segments.filter(({ role }) => role === 'packed')
    // A layer of 16 bits has no packed segment at all.
    const formats = bits === 16 ? exactPacked(precision) : found[0]
    if (formats === undefined || found.length > 1)
      throw refuse('the quantizer has tiers of its own', 'Leave one of the two out.')
    if (bits !== 16 && beside(storage) !== beside(last))
      throw refuse('the quantizer stores different widths in different ways', 'Choose another quantizer.')
    return [
      {
        role: 'packed',
        tokens: share === 'rest' ? 'rest' : share === 'allocated' ? { counts: [] } : { share },
        key: formats.key,
        value: formats.value,
      } as const,
    ]
  })
  const at0 = last.segments.findIndex(({ role }) => role === 'packed')
  return { ...last, segments: last.segments.toSpliced(at0, 1, ...packed) }
}

const exactPacked = (element: StoragePrecision) => ({
  key: exactFormat({ element }),
  value: exactFormat({ element }),
})

function resolveSimulated(
  storage: LayerStorage,
  override: LayerSettings,
  precision: StoragePrecision,
  path: string,
): ResolvedStorage {
  const { keyBits, valueBits } = storage.simulated!
  refuseIgnored(storage, path)
  const exact = withPrecision(exactFormat(), precision)
  const stored = {
    keys: { rope: 'after', transform: 'none' },
    values: { transform: 'none' },
    residual: groups,
    segments: makeSegments([{ tokens: 'rest', key: exact, value: exact }], {}, precision),
  } as const
  if ((override.keyBits ?? keyBits) === keyBits && (override.valueBits ?? valueBits) === valueBits)
    return { ...stored, simulated: { keyBits, valueBits } }
  // Left alone altogether, a layer needs no simulation.
  if (override.keyBits === 16 && override.valueBits === 16) return stored
  throw new KvError(
    'KV_CONFLICT',
    `The quantizer is simulated and stores ${keyBits} and ${valueBits} bits (K and V); an override cannot change that to ${override.keyBits ?? keyBits} and ${override.valueBits ?? valueBits} in ${path.replace('quantize (', '').replace(')', '')}.`,
    {
      hint: 'An override to keyBits=16,valueBits=16 leaves a layer exact; other widths need storage=packed.',
    },
  )
}

/** `roundTrip` gets all kept tokens at once, after RoPE: what a simulated storage cannot honor, it must not ask for. */
function refuseIgnored(
  { recent = 0, sinks = 0, keys, values, tiers, residual }: LayerStorage,
  path: string,
): void {
  const asked =
    recent > 0
      ? `recent: ${recent}`
      : sinks > 0
        ? `sinks: ${sinks}`
        : keys?.rope === 'before'
          ? "keys.rope: 'before'"
          : (keys?.transform ?? 'none') !== 'none' || (values?.transform ?? 'none') !== 'none'
            ? 'a transform'
            : tiers !== undefined
              ? 'tiers'
              : residual !== undefined && (residual.keys !== 'never' || residual.values !== 'never')
                ? `residual: ${JSON.stringify(residual)}`
                : undefined
  if (asked === undefined) return
  throw new KvError(
    'KV_METHOD',
    `${path} is simulated and asks for ${asked}, which a simulation does not run.`,
    {
      hint: 'roundTrip() gets all kept tokens of the prompt, keys after RoPE; later tokens stay exact. Do it there, or leave it out.',
    },
  )
}

function checkWindows(storage: LayerStorage, path: string): void {
  for (const [name, count] of [
    ['recent', storage.recent ?? 0],
    ['sinks', storage.sinks ?? 0],
  ] as const)
    if (!Number.isSafeInteger(count) || count < 0)
      throw new KvError('KV_METHOD', `${path}.${name} is ${count}; expected a whole number from 0.`)
}

function checkShare(share: number, path: string): number {
  if (!(share > 0 && share < 1))
    throw expected('a number above 0 and below 1', `${path}.share`, share, 'KV_METHOD')
  return share
}

/** The bits of an override on a format that did not take them itself. */
function withBits(format: TensorFormat, bits: Bits | undefined, layer: number, field: string): TensorFormat {
  if (bits === undefined || bits === format.bits) return format
  if (bits === 16) return exactFormat()
  if (format.bits === 16)
    throw new KvError(
      'KV_CONFLICT',
      `${field} of an override asks for ${bits} bits in layer ${layer}, but the quantizer stores 16 bit there.`,
      {
        hint: 'Choose a quantizer that packs, such as kivi, and override the other layers.',
      },
    )
  if (format.levels !== 'uniform')
    throw new KvError(
      'KV_CONFLICT',
      `${field} of an override asks for ${bits} bits in layer ${layer}, but the quantizer's codebook has ${format.bits}.`,
    )
  return { ...format, bits }
}

function withPrecision(format: TensorFormat, precision: StoragePrecision): TensorFormat {
  if (format.bits === 16) return { ...format, element: precision }
  return precision === 'f32' ? { ...format, metadata: 'f32' } : format
}

/** Sinks, tiers, recent; one exact segment where nothing is packed. */
function makeSegments(
  tiers: readonly Pick<SegmentPlan, 'tokens' | 'key' | 'value'>[],
  { sinks = 0, recent = 0 }: Pick<LayerStorage, 'sinks' | 'recent'>,
  element: StoragePrecision,
): SegmentPlan[] {
  const exact = { key: exactFormat({ element }), value: exactFormat({ element }) }
  if (tiers.every(({ key, value }) => key.bits === 16 && value.bits === 16))
    return [{ role: 'recent', tokens: 'rest', ...exact }]
  return [
    ...(sinks > 0 ? [{ role: 'sinks', tokens: sinks, ...exact } as const] : []),
    ...tiers.map((tier) => ({ role: 'packed', ...tier }) as const),
    { role: 'recent', tokens: recent, ...exact },
  ]
}

/**
 * Exact segments take whole blocks of 16 slots, whatever they hold. Under a budget of real bytes
 * they are filled: `recent` and `sinks` are rounded up to a multiple of 16. (The block residual
 * rule counts tokens by itself and stays as asked.)
 */
export function padExactSegments(storage: ResolvedStorage): ResolvedStorage {
  if (storage.residual.keys === 'block' || storage.simulated) return storage
  const segments = storage.segments.map((segment) =>
    segment.role !== 'packed' && typeof segment.tokens === 'number'
      ? { ...segment, tokens: Math.ceil(segment.tokens / LANES) * LANES }
      : segment,
  )
  return { ...storage, segments }
}
