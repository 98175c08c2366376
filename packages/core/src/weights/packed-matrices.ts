import type { ModelPrecision, NativeTensor } from '../native/addon.ts'
import { bitsPerValue, formatOf, roundedFormats, type WeightFormat } from './weight-format.ts'
import { isRounded, type WeightsMode } from './weights-mode.ts'

/** A matrix as the engine packs it: tensors with the same inputs lie on top of one another. */
export interface PackedMatrix {
  /** Roles of its tensors, top to bottom. */
  readonly roles: readonly string[]
  readonly rows: number
  readonly columns: number
  readonly format: WeightFormat
}

type Tensors = Readonly<Record<string, NativeTensor>>

/** Roles behind a layer's or an expert's prefix that share one matrix (native/engine/model.cc stacks them). */
const stacks: readonly (readonly string[])[] = [
  ['q', 'k', 'v'],
  ['gate', 'up'],
]

/** All matrices of a model, by tensors' roles, and the format that `mode` means for each. */
export function packedMatrices(
  tensors: Tensors,
  precision: ModelPrecision,
  mode: WeightsMode,
): PackedMatrix[] {
  return Object.entries(tensors).flatMap(([role, { shape }]) => {
    const roles = stackOf(role)
    if (shape.length !== 2 || roles[0] !== role) return []
    const parts = roles.flatMap((name) => tensors[name] ?? [])
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0)
    const format = chooseFormat(
      role,
      parts.map(({ element }) => element),
      precision,
      mode,
    )
    return [{ roles, rows, columns: shape[1] ?? 0, format }]
  })
}

/** The roles that lie in one matrix, or one vector, with a tensor's. */
export function stackOf(role: string): string[] {
  const [, prefix = '', name = role, bias = ''] = /^(.*\.)?(\w+?)(Bias)?$/.exec(role) ?? []
  const stack = prefix === '' ? undefined : stacks.find((names) => names.includes(name))
  return stack ? stack.map((other) => prefix + other + bias) : [role]
}

function chooseFormat(
  role: string,
  elements: readonly NativeTensor['element'][],
  precision: ModelPrecision,
  mode: WeightsMode,
): WeightFormat {
  const kept = formatOf(elements, precision, mode !== 'stored')
  if (!isRounded(mode) || role.endsWith('.router')) return kept
  const { matrices, tables } = roundedFormats[mode]
  const rounded = role === 'embed' || role === 'head' ? tables : matrices
  return bitsPerValue(kept) <= bitsPerValue(rounded) ? kept : rounded
}
