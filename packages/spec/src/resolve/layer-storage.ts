import type { LayerOverride } from '../spec/compression-spec.ts'
import { KvError } from '../errors.ts'
import type { ModelFacts } from '../facts.ts'
import { checkFormat, exactFormat } from '../plan/formats.ts'
import type { SegmentPlan } from '../layer-plan.ts'
import type { BoundQuantizer, LayerStorage } from '../method/method.ts'
import type { StoredLayer } from '../plan/plan-bytes.ts'
import type { Bits, Element, TensorFormat } from '../tensor-format.ts'

/** What 16 bit means. `f32` is the float32 mode: metadata become f32 too, counted as such. */
export type StoragePrecision = Element

/** The storage of a layer as the plan will hold it. */
export interface SettledStorage {
  readonly segments: readonly SegmentPlan[]
  readonly residual: StoredLayer['residual']
  readonly simulated?: { readonly keyBits: Bits; readonly valueBits: Bits }
  /** Nominal bits per value, mean of K and V. */
  readonly bits: number
}

/** Step 1 of resolve(): the quantizer speaks, then layer overrides of bits, then the precision. */
export function settleStorage(
  quantizer: BoundQuantizer,
  at: { layer: number; model: ModelFacts; heads: 'kv' | 'query'; override: Partial<LayerOverride> },
  precision: StoragePrecision,
): SettledStorage {
  const { layer, model, heads, override } = at
  const { keyBits, valueBits } = override
  const storage = quantizer.format({
    layer,
    model,
    heads,
    ...(keyBits !== undefined && { keyBits }),
    ...(valueBits !== undefined && { valueBits }),
  })
  checkWindows(storage, layer)
  if (storage.simulated) return settleSimulated(storage, override, precision, layer)
  const path = `quantize (layer ${layer})`
  const key = checkFormat(
    withPrecision(withBits(storage.key, keyBits, layer, 'keyBits'), precision),
    model.headDim,
    `${path}.key`,
  )
  const value = checkFormat(
    withPrecision(withBits(storage.value, valueBits, layer, 'valueBits'), precision),
    model.headDim,
    `${path}.value`,
  )
  return {
    segments: makeSegments(key, value, storage, precision),
    residual: storage.residual ?? 'unified',
    bits: (key.bits + value.bits) / 2,
  }
}

function settleSimulated(
  storage: LayerStorage,
  override: Partial<LayerOverride>,
  precision: StoragePrecision,
  layer: number,
): SettledStorage {
  const { keyBits, valueBits } = storage.simulated!
  const exact = withPrecision(exactFormat(), precision)
  const stored = { segments: makeSegments(exact, exact, {}, precision), residual: 'unified' } as const
  if ((override.keyBits ?? keyBits) === keyBits && (override.valueBits ?? valueBits) === valueBits)
    return { ...stored, simulated: { keyBits, valueBits }, bits: (keyBits + valueBits) / 2 }
  // Left alone altogether, a layer needs no simulation.
  if (override.keyBits === 16 && override.valueBits === 16) return { ...stored, bits: 16 }
  throw new KvError(
    'KV_CONFLICT',
    `The quantizer is simulated and stores ${keyBits} and ${valueBits} bits (K and V); an override cannot change that to ${override.keyBits ?? keyBits} and ${override.valueBits ?? valueBits} in layer ${layer}.`,
    {
      hint: 'An override to keyBits=16,valueBits=16 leaves a layer exact; other widths need storage=packed.',
    },
  )
}

function checkWindows(storage: LayerStorage, layer: number): void {
  for (const [name, count] of [
    ['recent', storage.recent ?? 0],
    ['sinks', storage.sinks ?? 0],
  ] as const)
    if (!Number.isSafeInteger(count) || count < 0)
      throw new KvError(
        'KV_METHOD',
        `quantize (layer ${layer}).${name} is ${count}; expected a whole number from 0.`,
      )
}

/** The bits of an override on a format that did not take them itself. */
function withBits(format: TensorFormat, bits: Bits | undefined, layer: number, field: string): TensorFormat {
  if (bits === undefined || bits === format.bits) return format
  if (bits === 16) return exactFormat({ rope: format.rope })
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

/** Sinks, packed, recent; one exact segment where nothing is packed. */
function makeSegments(
  key: TensorFormat,
  value: TensorFormat,
  storage: Partial<LayerStorage>,
  element: StoragePrecision,
): SegmentPlan[] {
  if (key.bits === 16 && value.bits === 16) return [{ role: 'recent', tokens: 'rest', key, value }]
  const exact = (format: TensorFormat) => exactFormat({ rope: format.rope, element })
  const exactKey = exact(key)
  const exactValue = exact(value)
  const sinks = storage.sinks ?? 0
  return [
    ...(sinks > 0 ? [{ role: 'sinks', tokens: sinks, key: exactKey, value: exactValue } as const] : []),
    { role: 'packed', tokens: 'rest', key, value },
    { role: 'recent', tokens: storage.recent ?? 0, key: exactKey, value: exactValue },
  ]
}
