import type { PackedFormat } from '@qpkv/spec'
import { roundTo } from './round-float.ts'

/** Rounds to the metadata type; beyond half precision: its largest finite value. */
export const roundMetadata = (type: PackedFormat['metadata'], value: number) =>
  type === 'f16' ? Math.max(-65504, Math.min(65504, roundTo(type, value))) : Math.fround(value)
