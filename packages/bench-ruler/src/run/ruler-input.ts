import type { RulerSample } from '../readers/ruler-sample.ts'

/** A sample and the length that its file or the generator names. */
export interface RulerInput {
  readonly sample: RulerSample
  /** tokens as in 4096; 0 where nothing tells */
  readonly length: number
}
