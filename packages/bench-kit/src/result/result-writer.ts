import { isPlainObject, KvError, type CompressionPlan, type CompressionSpec } from '@qpkv/spec'
import type { Json, JsonObject } from '@qpkv/spec'
import { machineFacts } from '../machine.ts'
import { canonicalJson } from '../content-hash.ts'
import { planIdOf, recordIdOf, runIdOf, specIdOf } from './ids.ts'
import { LineFile, type OpenMode } from './line-file.ts'
import { collectResults, type Results } from './read-results.ts'
import { RESULT_SCHEMA_VERSION, type FailureLine, type Measurement, type ResultLine } from './record.ts'
import type { RunIdentity, SampleRecord } from './record.ts'
import { upgradeLines } from './upgrade.ts'

/** Which file, for which run. */
export interface OpenOptions {
  readonly path: string
  readonly identity: RunIdentity
  /** Options that say how many samples. */
  readonly extent?: JsonObject
  readonly versions: Readonly<Record<string, string>>
  /** Default `resume`. */
  readonly mode?: OpenMode
}

/**
 * Appends records to a result file, one write per sample, under a lock.
 * A process that is killed leaves at most one broken last line, which the next `resume` cuts off.
 */
export class ResultWriter {
  readonly path: string
  readonly runId: string
  readonly #identity: RunIdentity
  readonly #extent: JsonObject
  readonly #file: LineFile
  readonly #known = new Set<string>()
  readonly #records = new Map<string, SampleRecord>()
  /** Those of the file, which taking over again does not write again. */
  readonly #failures = new Set<string>()
  /** Spec id -> SHA-256 of its calibration: a spec may name a file, whose content its id does not hold. */
  readonly #calibrations = new Map<string, string>()

  private constructor({ path, identity, extent = {} }: OpenOptions, file: LineFile) {
    this.path = path
    this.runId = runIdOf(identity)
    this.#identity = identity
    this.#extent = extent
    this.#file = file
  }

  /**
   * @throws KvError KV_RESULT_LOCKED (another run writes it), KV_RESULT_FILE (no result file, broken, of another version), KV_CONFLICT (made
   * by another model or task).
   */
  static open(options: OpenOptions): ResultWriter {
    const { path, mode = 'resume' } = options
    const { file, held } = LineFile.open(path, mode, (lines) => readAgain(lines, path, mode))
    const writer = new ResultWriter(options, file)
    try {
      writer.#begin(mode === 'replace' ? [] : held, options)
      return writer
    } catch (error) {
      file.close()
      throw error
    }
  }

  #begin(old: readonly ResultLine[], { identity, versions, extent = {} }: OpenOptions): void {
    const start = { versions, machine: machineFacts(), startedAt: new Date().toISOString(), extent }
    if (old.length === 0) {
      this.#write([
        { kind: 'run', schemaVersion: RESULT_SCHEMA_VERSION, runId: this.runId, identity, ...start },
      ])
      return
    }
    const { header, specs, plans, records, failures } = collectResults(old, this.path)
    if (header.runId !== this.runId) throw differs(this.path, header.identity, identity)
    for (const id of [...specs.keys(), ...plans.keys()]) this.#known.add(id)
    for (const one of failures) this.#failures.add(canonicalJson(one as unknown as Json))
    for (const record of records) {
      this.#records.set(record.id, record)
      this.#requireCalibration(record.spec, plans.get(record.plan ?? '')?.plan)
    }
    this.#write([{ kind: 'resume', ...start }])
  }

  /** Everything recorded so far, earlier runs included. */
  get records(): readonly SampleRecord[] {
    return [...this.#records.values()]
  }

  has(sample: string, specId: string): boolean {
    return this.#records.has(recordIdOf(this.runId, sample, specId))
  }

  /**
   * Adds one sample's records, all in one write; those that are there already are left out. Returns what is in the file now.
   * @throws KvError KV_CONFLICT where a spec's calibration file has changed since its first record.
   */
  add(sample: string, results: readonly SpecResult[], input?: string): readonly SampleRecord[] {
    const lines: ResultLine[] = []
    const records = results.map(({ label, spec, plan, measurement }) => {
      const specId = specIdOf(spec)
      const id = recordIdOf(this.runId, sample, specId)
      const earlier = this.#records.get(id)
      if (earlier) return earlier
      this.#requireCalibration(specId, plan)
      if (this.#learn(specId)) lines.push({ kind: 'spec', id: specId, label, spec })
      const planId = plan ? planIdOf(plan) : undefined
      if (plan && planId && this.#learn(planId)) lines.push({ kind: 'plan', id: planId, plan })
      const record: SampleRecord = {
        kind: 'sample',
        id,
        sample,
        ...(input === undefined ? {} : { input }),
        spec: specId,
        ...measurement,
        ...(planId === undefined ? {} : { plan: planId }),
      }
      lines.push(record)
      this.#records.set(id, record)
      return record
    })
    this.#write(lines)
    return records
  }

  /**
   * Takes over what another file of the same run holds and this one lacks, in the order of samples; for machines that each
   * asked a part of them. What both hold stays as it is here; `different` counts those whose answers are not the same.
   * @throws KvError KV_CONFLICT for a file of another run, or of another calibration.
   */
  addFrom(other: Results): { readonly added: number; readonly known: number; readonly different: number } {
    const { header } = other
    if (header.runId !== this.runId) throw differs(other.path, header.identity, this.#identity)
    const { versions, machine, startedAt } = header
    const extent = this.#extent
    const lines: ResultLine[] = []
    let [known, different] = [0, 0]
    for (const record of [...other.records].sort(bySample)) {
      const earlier = this.#records.get(record.id)
      if (earlier) {
        known++
        if (
          canonicalJson(earlier.answers as unknown as Json) !==
          canonicalJson(record.answers as unknown as Json)
        )
          different++
        continue
      }
      const plan = record.plan === undefined ? undefined : other.plans.get(record.plan)
      this.#requireCalibration(record.spec, plan?.plan)
      const spec = other.specs.get(record.spec)
      if (spec && this.#learn(spec.id)) lines.push(spec)
      if (plan && this.#learn(plan.id)) lines.push(plan)
      lines.push(record)
      this.#records.set(record.id, record)
    }
    const failures = other.failures.filter(
      (one) =>
        !this.#failures.has(canonicalJson(one as unknown as Json)) &&
        one.specs.some((spec) => !this.has(one.sample, spec)),
    )
    for (const one of failures) this.#failures.add(canonicalJson(one as unknown as Json))
    if (lines.length + failures.length > 0)
      this.#write([{ kind: 'resume', versions, machine, startedAt, extent }, ...lines, ...failures])
    return { added: other.records.length - known, known, different }
  }

  addFailure(failure: Omit<FailureLine, 'kind'>): void {
    this.#write([{ kind: 'failure', ...failure }])
  }

  #requireCalibration(specId: string, plan: CompressionPlan | undefined): void {
    const now = plan?.calibration
    if (now === undefined) return
    const first = this.#calibrations.get(specId) ?? now
    if (first !== now) throw otherCalibration(this.path, first, now)
    this.#calibrations.set(specId, first)
  }

  #learn(id: string): boolean {
    if (this.#known.has(id)) return false
    this.#known.add(id)
    return true
  }

  #write(lines: readonly ResultLine[]): void {
    this.#file.write(lines)
  }

  close(): void {
    this.#file.close()
  }
}

const byNumbers = new Intl.Collator('en', { numeric: true })
/** `…-2` before `…-10`. */
const bySample = (a: SampleRecord, b: SampleRecord) => byNumbers.compare(a.sample, b.sample)

/** One spec's share of a sample, before it has ids. */
export interface SpecResult {
  readonly label: string
  readonly spec: CompressionSpec
  readonly plan?: CompressionPlan
  readonly measurement: Measurement
}

/** What is no result file is neither gone on with nor replaced, and what an earlier version wrote is not gone on with. */
function readAgain(lines: readonly JsonObject[], path: string, mode: OpenMode): readonly ResultLine[] {
  const current = lines.length === 0 ? [] : upgradeLines(lines, path)
  if (mode === 'resume' && current.length > 0 && lines[0]?.['schemaVersion'] !== RESULT_SCHEMA_VERSION)
    throw earlier(path)
  return current
}

const earlier = (path: string) =>
  new KvError(
    'KV_RESULT_FILE',
    `${path} was written by an earlier version of qpkv, whose samples are named otherwise.`,
    {
      hint: 'It can be reported and repeated (qpkv report, qpkv run). To measure more, choose another file.',
    },
  )

const otherCalibration = (path: string, first: string, now: string) =>
  new KvError(
    'KV_CONFLICT',
    `${path} was begun with the calibration ${first}, and the file now holds ${now}.`,
    {
      hint: 'Choose another result file, or bring the calibration file back.',
    },
  )

function differs(path: string, old: RunIdentity, now: RunIdentity): KvError {
  const flat = ({ bench, task, model }: RunIdentity) => {
    const { options, ...rest } = task
    return { bench, ...(isPlainObject(options) ? options : {}), ...rest, ...model } as JsonObject
  }
  return anotherRun(path, flat(old), flat(now))
}

/** The error of a file that holds another run: names what differs, option by option. */
export function anotherRun(path: string, before: JsonObject, after: JsonObject): KvError {
  const text = (value: Json | undefined) =>
    value === undefined ? 'nothing' : canonicalJson(value).slice(0, 80)
  const changes = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => canonicalJson(before[name]) !== canonicalJson(after[name]))
    .map((name) => `${name} ${text(before[name])}, now ${text(after[name])}`)
  return new KvError('KV_CONFLICT', `${path} holds another run: ${changes.join('; ')}.`, {
    hint: 'Choose another file with --out, repeat the options of the first run, or give the file up with --replace.',
  })
}
