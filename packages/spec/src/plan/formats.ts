import type { ExactFormat, PackedFormat } from './tensor-format.ts'

/** Value by value in 16 bit. */
export const exactFormat = (format: Partial<Omit<ExactFormat, 'bits'>> = {}): ExactFormat => ({
  bits: 16,
  element: 'bf16',
  ...format,
})

/** Codes with a scale and a minimum in f16 per group; give what differs. */
export const packedFormat = (
  format: Pick<PackedFormat, 'bits' | 'scalePer' | 'group'> & Partial<PackedFormat>,
): PackedFormat => ({
  metadata: 'f16',
  zero: 'float-minimum',
  levels: 'uniform',
  solver: { kind: 'min-max' },
  outliers: 0,
  ...format,
})
