import {
  runSamples,
  type Progress,
  type ResultWriter,
  type RunIdentity,
  type SampleRecord,
} from '@qpkv/bench-kit'
import { isRight } from '@qpkv/reference-model'
import { askNeedle } from '../ask.ts'
import type { NeedleModel } from '../needle-model.ts'
import type { NeedleRow } from './rows.ts'
import { referenceSamples, type NeedleTask } from './samples.ts'

/** Longest answer in tokens: a number, its full stop and room to go wrong, as in the test vectors. */
const MAX_TOKENS = 14

/** One protocol with its rows. */
export interface NeedlePart {
  readonly task: NeedleTask
  readonly rows: readonly NeedleRow[]
}

export interface RunReferenceOptions {
  readonly model: NeedleModel
  readonly parts: readonly NeedlePart[]
  readonly writer: ResultWriter
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly progress?: Progress
  /** Default `stop`: the first failing sample ends the run. `continue`: it is recorded, the rest goes on. */
  readonly onError?: 'stop' | 'continue'
}

/** Records of one part. */
export interface NeedleResult extends NeedlePart {
  readonly records: readonly SampleRecord[]
}

/** What stands in the result file about the texts; rows may be added later. */
export const referenceIdentity = (
  parts: readonly NeedlePart[],
  model: RunIdentity['model'],
): RunIdentity => ({
  bench: 'needle',
  task: {
    form: 'reference-world',
    maxTokens: MAX_TOKENS,
    parts: parts.map(({ task }) => ({ ...task })),
  },
  model,
})

/** How many samples a run asks, for the progress line. */
export const countSamples = (parts: readonly NeedlePart[]): number =>
  parts.reduce((sum, { task }) => {
    const { samples, lengths } = task
    const texts =
      typeof samples === 'number'
        ? samples * lengths.length
        : samples.slice(0, lengths.length).reduce((a, b) => a + b, 0)
    return sum + texts
  }, 0)

/** Runs every part, one prefill per text for all rows. The score is `exact`: the reply begins with ` NUMBER.` */
export async function runReference(options: RunReferenceOptions): Promise<NeedleResult[]> {
  const { model, parts, writer, workers, signal, progress, onError } = options
  const ask = askNeedle({
    model,
    maxTokens: MAX_TOKENS,
    score: (reply, { expected }) => ({ exact: isRight(reply, expected) ? 1 : 0 }),
  })
  const results: NeedleResult[] = []
  for (const { task, rows } of parts) {
    const records = await runSamples({
      samples: referenceSamples(task, model),
      specs: rows,
      ask,
      writer,
      workers,
      signal,
      progress,
      onError,
    })
    results.push({ task, rows, records })
  }
  return results
}
