import type { JsonObject } from '@qpkv/spec'
import type { BenchModel } from '../ask/bench-model.ts'
import type { BenchPrompt, Question } from '../ask/question.ts'
import type { BenchSample } from '../ask/sample.ts'
import type { ModelIdentity, SampleRecord } from '../result/record.ts'
import type { NamedSpec } from '../run/run-samples.ts'
import type { BenchOptions, BenchValues } from './option-values.ts'

/** What preparing needs beside the options. */
export interface BenchTools {
  readonly model: BenchModel
  /** As the user named it: profiles with limits by model family look at it. */
  readonly modelName: string
  readonly identity: ModelIdentity
  /** Told of a row that cannot be used; it is left out, or the error is thrown where the user wants it strict. */
  readonly onBadRow: (error: Error) => void
}

/** Samples, and what asking and scoring them needs. */
export interface Prepared<O extends BenchOptions, State, Sample extends BenchSample = BenchSample> {
  readonly samples: readonly Sample[]
  readonly state: State
  /** Options that preparing has decided; undefined takes one out of the identity. */
  readonly options?: Partial<BenchValues<O>>
  /** Beside the options, what changes results: hashes of files, names of assets. */
  readonly data?: JsonObject
  /** Said under every table: that these texts make no benchmark score. */
  readonly notice?: string
}

/** What a prepared run hands to the functions of its benchmark. */
export interface BenchRun<O extends BenchOptions, State> {
  readonly options: BenchValues<O>
  readonly state: State
  readonly model: BenchModel
  readonly modelName: string
  readonly notice: string | undefined
}

/** Scores by metric, 0 to 1 unless the metric says otherwise. The first one is what reports show unless asked otherwise. */
export type Scores = Readonly<Record<string, number>>

/** A benchmark as a value: flags, runs, resuming, sweeps, reports and the README's table of options follow from it. */
export interface BenchmarkDefinition<O extends BenchOptions, State, Sample extends BenchSample> {
  readonly name: string
  /** One line for the help. */
  readonly about: string
  readonly options: O
  /** Reads data and options. @throws KvError KV_INVALID_OPTION, KV_DATA */
  prepare(options: BenchValues<O>, tools: BenchTools): Promise<Prepared<O, State, Sample>>
  /** The prompt of a sample and what is asked about it. Called when it is asked, not before. */
  ask(sample: Sample, run: BenchRun<O, State>): BenchPrompt | Promise<BenchPrompt>
  score(reply: string, question: Question, sample: Sample, run: BenchRun<O, State>): Scores
  /** For the terminal; means of all scores per spec unless given. */
  table?(records: readonly SampleRecord[], specs: readonly NamedSpec[], run: BenchRun<O, State>): string
  /** Files in an original's layout, where there is one; returns their paths. Undefined where these options have none. */
  readonly predictions?: {
    readonly layouts: readonly string[]
    write(
      to: { readonly folder: string; readonly layout: string },
      records: readonly SampleRecord[],
      specs: readonly NamedSpec[],
      run: BenchRun<O, State>,
    ): Promise<readonly string[]> | undefined
  }
  /** Options of a result file of schema 1 from what its header says about the task: as many runs as it holds. */
  upgrade?(task: JsonObject): readonly JsonObject[]
}

/** Any benchmark; what stands in registries. */
export interface Benchmark extends BenchmarkDefinition<BenchOptions, unknown, BenchSample> {
  readonly role: 'benchmark'
}

/** Makes a benchmark of its parts. A package that exports one is found by `qpkv bench NAME --use PACKAGE`. */
export function defineBenchmark<
  const O extends BenchOptions,
  State,
  Sample extends BenchSample = BenchSample,
>(definition: BenchmarkDefinition<O, State, Sample>): Benchmark {
  const benchmark: unknown = Object.freeze({ ...definition, role: 'benchmark' })
  return benchmark as Benchmark
}

export const isBenchmark = (value: unknown): value is Benchmark =>
  typeof value === 'object' && value !== null && (value as { role?: unknown }).role === 'benchmark'
