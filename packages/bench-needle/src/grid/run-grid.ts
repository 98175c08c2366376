import {
  contentHash,
  runSamples,
  type NamedSpec,
  type Progress,
  type ResultWriter,
  type RunIdentity,
  type SampleRecord,
} from '@qpkv/bench-kit'
import { askNeedle } from '../ask.ts'
import { gridSamples, type GridOptions } from './grid-samples.ts'
import { scoreReply } from './score-reply.ts'

export interface RunGridOptions extends GridOptions {
  readonly rows: readonly NamedSpec[]
  readonly writer: ResultWriter
  /** Default 30, as in the papers' codes. */
  readonly maxTokens?: number
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly progress?: Progress
  /** Default `stop`: the first failing sample ends the run. `continue`: it is recorded, the rest goes on. */
  readonly onError?: 'stop' | 'continue'
}

const worldHaystackNotice = 'made with a haystack of our own sentences: no benchmark score'

/** What stands in the result file; the haystack by its hash. */
export const gridIdentity = (
  options: GridOptions & { maxTokens?: number },
  model: RunIdentity['model'],
): RunIdentity => ({
  bench: 'needle',
  task: {
    form: options.form.text,
    protocol: options.protocol ?? 'query-aware',
    haystack:
      'essays' in options.haystack ? contentHash(options.haystack.essays) : `world ${options.haystack.seed}`,
    lengths: options.lengths,
    depths: options.depths,
    needles: options.needles,
    question: options.question,
    expected: options.expected,
    buffer: options.buffer ?? 200,
    sentenceEnds: options.sentenceEnds ?? null,
    profile: options.profile ?? 'official',
    maxTokens: options.maxTokens ?? 30,
    ...('essays' in options.haystack ? {} : { notice: worldHaystackNotice }),
  },
  model,
})

/** Runs a lengths x depths grid, one prefill per cell for all rows. */
export function runGrid(options: RunGridOptions): Promise<readonly SampleRecord[]> {
  const { model, rows, writer, maxTokens = 30, form, needles, expected } = options
  const { workers, signal, progress, onError } = options
  return runSamples({
    samples: gridSamples(options),
    specs: rows,
    writer,
    ask: askNeedle({
      model,
      maxTokens,
      stop: form.stop,
      score: (reply) => scoreReply(reply, { needle: needles.join(' '), expected }),
    }),
    workers,
    signal,
    progress,
    onError,
  })
}
