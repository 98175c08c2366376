import type { NativeModelDescription } from '../native/addon.ts'
import { stackOf, type PackedMatrix } from './packed-matrices.ts'
import { codeWidth, isExact, metadataBytes, type WeightFormat } from './weight-format.ts'

/** Outputs are packed in panels of this many, and rows behind the last one are padding. */
const PANEL = 64
const FLOAT_BYTES = 4
/** sizeof(PackedWeight): an expert's entry in its layer's table. */
const TABLE_ENTRY_BYTES = 32

/** Bytes of a packed matrix; WeightBytes of native/ops/weight_layout.h, to the byte. */
export function packedBytes({ rows, columns, format }: Omit<PackedMatrix, 'roles'>): number {
  return Math.ceil(rows / PANEL) * PANEL * rowBytes(format, columns)
}

function rowBytes(format: WeightFormat, columns: number): number {
  if (isExact(format)) return Math.ceil(columns / 2) * 2 * (format.element === 'f32' ? FLOAT_BYTES : 2)
  const { group } = format
  return Math.ceil(columns / group) * ((group * codeWidth(format)) / 8 + metadataBytes(format))
}

/**
 * Bytes that a model's weights take in memory: its matrices, vectors in float32 and tables of rotary frequencies. Equal to what
 * the engine allocates.
 */
export function weightBytes(
  { tensors, ropes }: Pick<NativeModelDescription, 'tensors' | 'ropes'>,
  matrices: readonly PackedMatrix[],
): number {
  const vectors = Object.entries(tensors).filter(
    ([role, { shape }]) => shape.length === 1 && isFirst(role, tensors),
  )
  const experts = Object.keys(tensors).filter((role) => /\.experts\.\d+\.(gate|down)$/.test(role))
  return (
    sum(matrices.map(packedBytes)) +
    FLOAT_BYTES * sum(vectors.map(([role]) => vectorLength(role, tensors))) +
    FLOAT_BYTES * sum(ropes.map(({ inverse, long }) => inverse.length + (long?.inverse.length ?? 0))) +
    TABLE_ENTRY_BYTES * experts.length
  )
}

/** Whether the vector is the first of its stack that the model has. */
const isFirst = (role: string, tensors: NativeModelDescription['tensors']): boolean =>
  stackOf(role).find((other) => Object.hasOwn(tensors, other)) === role

/** Biases stand behind one another like the outputs of their matrices, zeros where one is absent. */
const vectorLength = (role: string, tensors: NativeModelDescription['tensors']): number =>
  sum(
    stackOf(role).map(
      (other) => tensors[other]?.shape[0] ?? tensors[other.replace(/Bias$/, '')]?.shape[0] ?? 0,
    ),
  )

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
