import type { CompressionPlan, CompressionSpec, JsonObject } from '@qpkv/spec'
import type { MachineFacts } from '../machine.ts'

/*
 * A result file is JSON lines. The first line is a RunHeader; SpecLine and PlanLine stand before the first
 * record that names them; a record is one sample under one spec. Lines are only ever appended, so that a
 * killed run loses at most the sample it was writing.
 */

/** Version of the lines below; older files are upgraded when they are opened. */
export const RESULT_SCHEMA_VERSION = 2

/**
 * Everything beside the spec that changes a sample's result. Runs with equal identities share a file; how many samples are asked is no part
 * of it, so that more of them extend the file.
 */
export interface RunIdentity {
  /** `needle`, `ruler`, `longbench`, … */
  readonly bench: string
  /** `{ options, paths, data, notice }`: settings as resolved, which options were paths, hashes of what lay there. Plain JSON. */
  readonly task: JsonObject
  readonly model: ModelIdentity
}

/** Which model, by content. */
export interface ModelIdentity {
  /** For people: the folder's name or the model's. */
  readonly name: string
  /** Hash of configuration and weights (see `modelFingerprint`). */
  readonly fingerprint: string
  /** How the engine calculates, where that changes answers: `bf16`, `f32`. */
  readonly precision?: string
  /** What the weights were made, where that changes answers: `int8`, `int4`. */
  readonly weights?: string
}

/** First line: what the run is and where it was begun. */
export interface RunHeader {
  readonly kind: 'run'
  readonly schemaVersion: typeof RESULT_SCHEMA_VERSION
  /** Content hash of `identity`. */
  readonly runId: string
  readonly identity: RunIdentity
  /** Packages, Node, addon and op table: `{ "@qpkv/core": "0.1.0", "node": "20.20.2", "ops": "avx512" }`. */
  readonly versions: Readonly<Record<string, string>>
  readonly machine: MachineFacts
  readonly startedAt: string
  /** Options that say how many samples. */
  readonly extent?: JsonObject
}

/** Written once per spec that occurs in the file. */
export interface SpecLine {
  readonly kind: 'spec'
  /** Content hash of `spec`. */
  readonly id: string
  /** Read only: the id that the file has, where its spec is of an older version. */
  readonly legacyId?: string
  readonly label: string
  readonly spec: CompressionSpec
}

/** Written once per plan that occurs in the file; prompts of one length share it. */
export interface PlanLine {
  readonly kind: 'plan'
  /** Content hash of `plan`. */
  readonly id: string
  readonly plan: CompressionPlan
}

/** A later run that went on with the file, maybe with another version or on another machine. */
export interface ResumeLine {
  readonly kind: 'resume'
  readonly versions: Readonly<Record<string, string>>
  readonly machine: MachineFacts
  readonly startedAt: string
  /** Of this run; the last one counts. */
  readonly extent?: JsonObject
}

/** A sample that ended with an error; it is tried again on resume. */
export interface FailureLine {
  readonly kind: 'failure'
  readonly sample: string
  readonly specs: readonly string[]
  readonly code: string
  readonly message: string
}

/** What a sample measures: quality and cost under one spec. */
export interface Measurement {
  /** What groups samples: `{ length: 2048, protocol: 'query-aware' }`. */
  readonly facets: Facets
  readonly promptTokens: number
  /** Mean over layers and stored heads at the end of prefill. */
  readonly tokensKept: number
  /** Content hash of the final plan. */
  readonly plan?: string
  /** Shares of the budget that were used; absent without a budget. */
  readonly spent?: { readonly nominal: number; readonly bytes: number }
  /** Mean code width over layers, K and V. */
  readonly bits?: { readonly nominal: number; readonly true: number }
  readonly bytes: CacheBytes
  readonly timings: Timings
  /** Highest resident set size of the process so far. */
  readonly peakRssBytes?: number
  readonly answers: readonly Answer[]
}

/** What a sample or an answer is grouped by. */
export type Facets = Readonly<Record<string, string | number>>

/** Real bytes of one cache. */
export interface CacheBytes {
  /** What the final plan says, at the end of prefill. */
  readonly planned: number
  /** What the native allocator handed out for it. */
  readonly allocated: number
  /** Added by later tokens, at the end of the last answer. */
  readonly grown: number
  /** The same prompt in an uncompressed 16-bit cache. */
  readonly full: number
}

/** Milliseconds, and the tokens that they bought. */
export interface Timings {
  /** The prefill, shared by every spec of the sample. */
  readonly prefillMs: number
  /** Appending the questions. */
  readonly appendMs: number
  readonly decodeMs: number
  readonly decodeTokens: number
}

/** One question of a sample. */
export interface Answer {
  /** Unique within the sample. */
  readonly id: string
  readonly facets: Facets
  readonly expected: string
  readonly reply: string
  /** Metric -> score; 0 to 1 unless the metric says otherwise. */
  readonly scores: Readonly<Record<string, number>>
}

/** One sample under one spec. */
export interface SampleRecord extends Measurement {
  readonly kind: 'sample'
  /** Content hash of run, sample and spec: occurs once in a file. */
  readonly id: string
  readonly sample: string
  /** Content hash of what the sample was read from, where the identity does not say it. */
  readonly input?: string
  /** {@link SpecLine.id}. */
  readonly spec: string
}

/** Any line of a result file. */
export type ResultLine = RunHeader | SpecLine | PlanLine | ResumeLine | FailureLine | SampleRecord
