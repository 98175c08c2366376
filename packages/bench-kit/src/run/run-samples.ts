import { KvError, type CompressionPlan, type CompressionSpec } from '@qpkv/spec'
import { specIdOf } from '../result/ids.ts'
import type { Measurement, SampleRecord } from '../result/record.ts'
import type { ResultWriter } from '../result/result-writer.ts'
import type { Progress } from './progress.ts'
import { isAbort } from '../ask/prefill-rows.ts'
import { runParallel } from './run-parallel.ts'

/** A row of a sweep: a spec under a name. */
export interface NamedSpec {
  readonly label: string
  readonly spec: CompressionSpec
}

/** What asking one sample under one spec gave. */
export interface AskResult {
  readonly measurement: Measurement
  /** The final plan, after selection. */
  readonly plan?: CompressionPlan
}

/** One spec failed on a sample; the others of the sample stand. */
export interface AskFailure {
  readonly error: unknown
}

/** What a run needs to know of a sample. */
export interface RunSample {
  readonly id: string
  /** Content hash of what it was read from. */
  readonly input?: string
}

/** Runs one sample under several specs (one prefill serves them all); one result per spec, in their order. */
export type Ask<Sample> = (
  sample: Sample,
  specs: readonly NamedSpec[],
  signal: AbortSignal,
) => Promise<readonly (AskResult | AskFailure)[]>

/** What to ask, of whom, and where it is written. */
export interface RunSamplesOptions<Sample> {
  readonly samples: readonly Sample[]
  readonly specs: readonly NamedSpec[]
  readonly ask: Ask<Sample>
  readonly writer: ResultWriter
  /** Samples at once. Default 1. */
  readonly workers?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly progress?: Progress | undefined
  /** `stop`: the first failing sample ends the run. `continue`: it is recorded, the rest goes on. Default `stop`. */
  readonly onError?: 'stop' | 'continue' | undefined
  /** Called with what each sample gave, those of earlier runs left out. */
  readonly onRecords?: (records: readonly SampleRecord[]) => void
}

/**
 * Asks every sample under every spec that the result file does not hold yet.
 * Everything is in the file as soon as its sample is done.
 * @returns the records of these samples and specs, earlier runs included, in the order of samples and specs.
 * @throws KvError KV_CONFLICT for two samples with one id, two labels for one spec, or a file whose samples were made from other data;
 * KV_ABORTED; and with `stop` what `ask` throws.
 */
export async function runSamples<Sample extends RunSample>(
  options: RunSamplesOptions<Sample>,
): Promise<readonly SampleRecord[]> {
  const { samples, specs, ask, writer, workers = 1, progress, onRecords, onError = 'stop' } = options
  const signal = options.signal ?? new AbortController().signal
  refuseDuplicates(
    samples.map(({ id }) => id),
    'samples have the id',
  )
  refuseDuplicates(
    specs.map(({ spec }) => specIdOf(spec)),
    'rows have the spec with the id',
  )
  refuseOtherInputs(samples, writer)
  const jobs = samples.flatMap((sample) => {
    const missing = specs.filter(({ spec }) => !writer.has(sample.id, specIdOf(spec)))
    return missing.length > 0 ? [{ sample, missing }] : []
  })
  progress?.skip(samples.length - jobs.length)
  await runParallel(jobs, workers, signal, async ({ sample, missing }, workerSignal) => {
    try {
      const results = await ask(sample, missing, workerSignal)
      if (results.length !== missing.length) {
        throw new KvError('KV_DATA', `ask() gave ${results.length} results for ${missing.length} specs.`)
      }
      const given = missing.flatMap((row, i) => {
        const result = results[i] as AskResult | AskFailure
        return 'error' in result ? [] : [{ ...row, ...result }]
      })
      const records = writer.add(sample.id, given, sample.input)
      onRecords?.(records)
      for (const [i, result] of results.entries()) {
        if (!('error' in result)) continue
        if (onError === 'stop') throw result.error
        const specs = missing.slice(i, i + 1).map(({ spec }) => specIdOf(spec))
        writer.addFailure({ sample: sample.id, specs, ...reason(result.error) })
      }
    } catch (error) {
      if (onError === 'stop' || workerSignal.aborted || isAbort(error)) throw error
      writer.addFailure({
        sample: sample.id,
        specs: missing.map(({ spec }) => specIdOf(spec)),
        ...reason(error),
      })
    }
    progress?.step()
  })
  return ordered(writer.records, samples, specs)
}

function refuseDuplicates(ids: readonly string[], what: string): void {
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice !== undefined) throw new KvError('KV_CONFLICT', `Two ${what} ${twice}.`)
}

function refuseOtherInputs(samples: readonly RunSample[], writer: ResultWriter): void {
  const inputs = new Map(samples.map(({ id, input }) => [id, input]))
  const other = writer.records.find(({ sample, input }) => inputs.has(sample) && inputs.get(sample) !== input)
  if (other === undefined) return
  throw new KvError('KV_CONFLICT', `${writer.path} holds the sample ${other.sample}, made from other data.`, {
    hint: 'Choose another file with --out, or give the data of the first run.',
  })
}

const reason = (error: unknown) => ({
  code: KvError.isInstance(error) ? error.code : 'UNKNOWN',
  message: error instanceof Error ? error.message : String(error),
})

function ordered(
  records: readonly SampleRecord[],
  samples: readonly { readonly id: string }[],
  specs: readonly NamedSpec[],
): SampleRecord[] {
  const byKey = new Map(records.map((record) => [`${record.sample}\0${record.spec}`, record]))
  return samples.flatMap(({ id }) => specs.flatMap(({ spec }) => byKey.get(`${id}\0${specIdOf(spec)}`) ?? []))
}
