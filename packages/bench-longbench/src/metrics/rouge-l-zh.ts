import { recursionSteps, rougeL } from '@qpkv/bench-kit'
import type { Segment } from './segment.ts'

/**
 * ROUGE-L for Chinese: both texts cut into words and joined by spaces, then {@link rougeL}. The ideographic full stop
 * does not end a piece. One more stack frame is in use in the original, hence one step less before its recursion limit.
 */
export function rougeLZh(prediction: string, reference: string, segment: Segment): number {
  return rougeL(segment(prediction).join(' '), segment(reference).join(' '), recursionSteps - 1)
}
