import type { GgufBlock, ModelPrecision, NativeTensor } from '../native/addon.ts'

/** How the elements of a packed matrix lie in memory; native/ops/weight_format.h, field by field. */
export type WeightFormat = ExactFormat | CodedFormat

export interface ExactFormat {
  readonly element: 'bf16' | 'f16' | 'f32'
}

/** value = code * scale + minimum; without a minimum codes are signed. */
export interface CodedFormat {
  /** Codes of 5 and 6 bits take 8. */
  readonly bits: 4 | 5 | 6 | 8
  /** Input features that share a scale. */
  readonly group: 16 | 32
  readonly scale: 'f16' | 'f32'
  readonly minimum: 'none' | 'f16' | 'f32'
}

export const isExact = (format: WeightFormat): format is ExactFormat => 'element' in format

const coded = (
  bits: CodedFormat['bits'],
  group: CodedFormat['group'],
  scale: CodedFormat['scale'],
  minimum: CodedFormat['minimum'],
): CodedFormat => ({ bits, group, scale, minimum })

const int8 = coded(8, 32, 'f16', 'none')
const int4 = coded(4, 32, 'f16', 'none')

/** What weights are rounded to on request, by the name of the mode. `tables`: the embedding and the head. */
export const roundedFormats = {
  int8: { matrices: int8, tables: int8 },
  int4: { matrices: int4, tables: int8 },
} as const satisfies Readonly<Record<string, { matrices: CodedFormat; tables: CodedFormat }>>

/** The format that holds every value of a block type; scales of K types are products of two numbers. */
const blockFormats: Readonly<Record<GgufBlock, CodedFormat>> = {
  q4_0: int4,
  q4_1: coded(4, 32, 'f16', 'f16'),
  q5_0: coded(5, 32, 'f16', 'none'),
  q5_1: coded(5, 32, 'f16', 'f16'),
  q8_0: int8,
  q4_k: coded(4, 32, 'f32', 'f32'),
  q5_k: coded(5, 32, 'f32', 'f32'),
  q6_k: coded(6, 16, 'f32', 'none'),
}

const isBlock = (element: NativeTensor['element']): element is GgufBlock =>
  Object.hasOwn(blockFormats, element)

/** The format that holds every value of matrices stacked on top of one another: codes where all are codes, as `keep` allows. */
export function formatOf(
  elements: readonly NativeTensor['element'][],
  precision: ModelPrecision,
  keep: boolean,
): WeightFormat {
  const blocks = elements.filter(isBlock)
  if (keep && blocks.length === elements.length)
    return blocks.map((block) => blockFormats[block]).reduce(join)
  if (precision === 'bf16-fast') return { element: 'bf16' }
  const [element = 'f32'] = elements
  const exact = isBlock(element) || elements.some((other) => other !== element) ? 'f32' : element
  return { element: exact }
}

/** The least format that holds the values of both. A zero point in the middle becomes a minimum beside one that has minima. */
function join(a: CodedFormat, b: CodedFormat): CodedFormat {
  const same = a.minimum === b.minimum
  return {
    bits: a.bits > b.bits ? a.bits : b.bits,
    group: a.group < b.group ? a.group : b.group,
    scale: a.scale === b.scale ? a.scale : 'f32',
    minimum: same ? a.minimum : 'f32',
  }
}

/** Bits per value, scales and minima included. */
export function bitsPerValue(format: WeightFormat): number {
  if (isExact(format)) return format.element === 'f32' ? 32 : 16
  return codeWidth(format) + (8 * metadataBytes(format)) / format.group
}

/** Bits that a code takes. */
export const codeWidth = ({ bits }: CodedFormat): 4 | 8 => (bits === 4 ? 4 : 8)

/** Of one group. */
export const metadataBytes = ({ scale, minimum }: CodedFormat): number => size[scale] + size[minimum]

const size = { none: 0, f16: 2, f32: 4 } as const

/** For people: `bf16`, `4 bit in groups of 32`, `6 bit (in bytes) in groups of 16, f32 scales`. */
export function formatText(format: WeightFormat): string {
  if (isExact(format)) return format.element
  const { bits, group, scale, minimum } = format
  const codes = `${bits} bit${codeWidth(format) === bits ? '' : ' (in bytes)'} in groups of ${group}`
  const scales = scale === 'f32' ? ', f32 scales' : ''
  return `${codes}${scales}${minimum === 'none' ? '' : `, ${minimum} minima`}`
}
