import type { Model } from '@qpkv/core'
import { failed, notChecked, ok, type Check } from './check.ts'
import type { LogitsDump } from './logits-dump.ts'

/** How far float32 engines lie apart, and engines with 16-bit activations from them. */
const tolerances = { f32: 0.01, bf16: 0.2, 'bf16-fast': 0.5 } as const

/**
 * Logits of the last position and the likeliest token of every position against a dump. Where two tokens lie closer
 * together than the tolerance, either may be the likelier one.
 */
export async function checkLogits(
  model: Model,
  dump: LogitsDump | undefined,
  tolerance: number = tolerances[model.precision],
): Promise<Check> {
  if (!dump) return notChecked('logits', 'no --against')
  const { vocabSize } = model.config
  let largest = 0
  let differing = 0
  let positions = 0
  for (const { ids, argmax, last } of dump.samples) {
    if (ids.some((id) => id >= vocabSize) || last.length < Math.max(...ids))
      return failed(
        'logits',
        `the dump is of a model with another vocabulary (${last.length}, here ${vocabSize})`,
      )
    const { logits } = await model.logits(ids)
    const row = (i: number) => logits.subarray(i * vocabSize, (i + 1) * vocabSize)
    const end = row(ids.length - 1)
    for (const [i, theirs] of last.entries()) {
      // Checkpoints may pad the vocabulary; what one side lacks cannot be compared.
      if (i >= vocabSize) break
      largest = Math.max(largest, Math.abs((end[i] ?? NaN) - theirs))
    }
    for (const [i, theirs] of argmax.entries()) {
      positions++
      const at = row(i)
      const best = at.reduce((a, b) => Math.max(a, b), -Infinity)
      if (!(best - (at[theirs] ?? -Infinity) <= tolerance)) differing++
    }
  }
  const detail = `largest difference ${largest.toPrecision(3)} (bound ${tolerance}, ${model.precision}), likeliest token differs at ${differing} of ${positions} positions`
  return largest <= tolerance && differing === 0 ? ok('logits', detail) : failed('logits', detail)
}
