import type { ModelParts } from '../model-parts.ts'
import { availableMemory } from './available-memory.ts'

/** Bytes that there are for sequences of a model beside its weights, if nothing else runs. */
export const availableBytes = ({ memoryLimit, native }: ModelParts): number =>
  memoryLimit === undefined
    ? availableMemory() + native.stats().grantedBytes
    : memoryLimit - native.weightBytes
