import { KvError, type JsonObject, omitUndefined } from '@qpkv/spec'
import { askModel } from '../ask/ask-model.ts'
import { contentHash } from '../content-hash.ts'
import type { Facets, RunIdentity, SampleRecord } from '../result/record.ts'
import type { ResultWriter } from '../result/result-writer.ts'
import { runSamples, type NamedSpec, type RunSamplesOptions } from '../run/run-samples.ts'
import { checkRange, type SampleRange } from '../sweep/sample-range.ts'
import { meanTable } from '../report/mean-table.ts'
import type { Benchmark, BenchRun, BenchTools } from './benchmark.ts'
import { readOptions, valuesOf, type BenchOptions } from './option-values.ts'

/** A benchmark whose options have been read and whose samples are ready: what commands, sweeps and repetitions run alike. */
export interface PreparedRun {
  readonly benchmark: Benchmark
  /** Names the result file: all that changes a sample's result. */
  readonly identity: RunIdentity
  /** Options that say how many samples. */
  readonly extent: JsonObject
  /** Per sample, for estimates: tokens to prefill once, and to generate at most per spec. */
  readonly sizes: readonly { readonly prompt: number; readonly answers: number }[]
  /** Per sample: its id, as records have it. */
  readonly ids: readonly string[]
  /** Asks every sample under every spec that the file does not hold yet. */
  run(options: RunOptions): Promise<readonly SampleRecord[]>
  /** For the terminal, with the notice below it. */
  table(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string
  /** Undefined where the benchmark or these options have no such files. */
  writePredictions(
    to: { readonly folder: string; readonly layout?: string | undefined },
    records: readonly SampleRecord[],
    specs: readonly NamedSpec[],
  ): Promise<readonly string[]> | undefined
}

export type RunOptions = Pick<
  RunSamplesOptions<{ readonly id: string; readonly facets: Facets }>,
  'specs' | 'workers' | 'signal' | 'progress' | 'onError'
> & {
  readonly writer: ResultWriter
  /** Only these samples; default: all. */
  readonly range?: SampleRange | undefined
}

/** Reads options from plain JSON and prepares the samples. @throws KvError KV_INVALID_OPTION, KV_DATA */
export async function prepareRun(
  benchmark: Benchmark,
  options: unknown,
  tools: BenchTools,
): Promise<PreparedRun> {
  const { name } = benchmark
  const values = readOptions(benchmark.options, options, name)
  const prepared = await benchmark.prepare(values, tools)
  const { samples, notice } = prepared
  const resolved = { ...values, ...prepared.options }
  const run: BenchRun<BenchOptions, unknown> = {
    options: resolved,
    state: prepared.state,
    model: tools.model,
    modelName: tools.modelName,
    notice,
  }
  const { predictions } = benchmark
  return {
    benchmark,
    identity: identityOf(benchmark, resolved, prepared, tools),
    extent: valuesOf(benchmark.options, resolved, 'extent'),
    sizes: samples.map(({ size }) => size ?? { prompt: 0, answers: 0 }),
    ids: samples.map(({ id }) => id),
    run: ({ range = { from: 0, to: samples.length }, ...asked }) => {
      checkRange(range, samples.length)
      const ask = askModel({
        model: tools.model,
        ask: (sample) => benchmark.ask(sample, run),
        score: (reply, question, sample) => benchmark.score(reply, question, sample, run),
      })
      return runSamples({
        ...asked,
        samples: samples.slice(range.from, range.to).map((sample) => ({
          id: sample.id,
          ...(sample.content === undefined ? {} : { input: contentHash(sample.content) }),
          sample,
        })),
        ask: ({ sample }, specs, signal) => ask(sample, specs, signal),
      })
    },
    table: (records, specs) => {
      const text = benchmark.table?.(records, specs, run) ?? meanTable(records, specs)
      return notice === undefined ? text : `${text}(${notice})\n`
    },
    writePredictions: ({ folder, layout }, records, specs) => {
      if (predictions === undefined) return undefined
      const chosen = layout ?? predictions.layouts[0] ?? ''
      if (!predictions.layouts.includes(chosen))
        throw new KvError('KV_INVALID_OPTION', `${name} has no layout "${chosen}" of predictions.`, {
          hint: `Known: ${predictions.layouts.join(', ')}.`,
        })
      return predictions.write({ folder, layout: chosen }, records, specs, run)
    },
  }
}

/** Settings as they were resolved, what was read by its hash, and which paths to ask for when the run is repeated. */
function identityOf(
  { name, options }: Benchmark,
  resolved: object,
  { samples, data, notice }: Awaited<ReturnType<Benchmark['prepare']>>,
  { identity }: BenchTools,
): RunIdentity {
  const first = samples.find(({ content }) => content !== undefined)?.content
  return {
    bench: name,
    task: omitUndefined({
      options: valuesOf(options, resolved, 'setting'),
      paths: Object.keys(valuesOf(options, resolved, 'path')).sort(),
      // Later samples are compared one by one with those in the file.
      data: omitUndefined({ ...data, first: first === undefined ? undefined : contentHash(first) }),
      notice,
    }),
    model: identity,
  }
}
