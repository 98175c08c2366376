import type { NamedSpec, Progress, ResultWriter, RunIdentity, SampleRecord } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { JsonObject } from '@qpkv/spec'

/** A benchmark's options have been read and its samples are ready: what commands and sweeps run alike. */
export interface PreparedBench {
  /** Names the result file; all that changes the result. */
  readonly identity: RunIdentity
  readonly samples: number
  /** Over all samples, for estimates: tokens to prefill once, and tokens to generate at most per spec. */
  readonly cost: { readonly promptTokens: number; readonly newTokens: number }
  /** Bad rows that were left out, with file and line. */
  readonly problems: readonly string[]
  run(options: BenchRunOptions): Promise<readonly SampleRecord[]>
  /** The usual table of this benchmark, for the terminal. */
  table(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string
  /** Writes predictions in an original's layout, where there is one; returns the files. */
  writePredictions?(
    folder: string,
    layout: 'official' | 'qpruningkv',
    records: readonly SampleRecord[],
    specs: readonly NamedSpec[],
  ): string[] | Promise<string[]>
}

interface BenchRunOptions {
  readonly specs: readonly NamedSpec[]
  readonly writer: ResultWriter
  readonly workers: number
  readonly signal: AbortSignal
  readonly progress?: Progress
  readonly onError: 'stop' | 'continue'
}

/** What preparing needs beside the options. */
export interface BenchTools {
  readonly model: Model
  /** As the user named it: profiles with limits by model family look at it. */
  readonly modelName: string
  /** The first bad row ends the run. */
  readonly strict: boolean
}

export type PrepareBench = (options: JsonObject, tools: BenchTools) => Promise<PreparedBench>
