import type { Candidate } from '../candidates/fit-spec.ts'
import type { Measurements } from '../measure/measurements.ts'

export interface Judging {
  readonly measurements: Measurements
  readonly signal: AbortSignal
  readonly timeUp: () => boolean
  readonly onPrompt: () => void
}

/**
 * Measures the last candidates on excerpts that the search has not seen, until the time is up; the first of them on one at least.
 * @returns the excerpts that judge: those on which all were measured, or, where there are none, the one that was begun
 */
export async function judge(
  candidates: readonly Candidate[],
  excerpts: readonly number[],
  { measurements, signal, timeUp, onPrompt }: Judging,
): Promise<readonly number[]> {
  const late = () => timeUp() && candidates.some((one) => measurements.quality(one, excerpts))
  for (const at of excerpts) {
    if (late()) break
    onPrompt()
    await measurements.measure(candidates, at, { signal, late })
  }
  const whole = excerpts.filter((at) => candidates.every((one) => measurements.isComplete(one, at)))
  return whole.length > 0 ? whole : excerpts.slice(0, 1)
}
