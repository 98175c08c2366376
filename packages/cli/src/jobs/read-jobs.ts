import type { NamedSpec, SampleRange, SweepJob } from '@qpkv/bench-kit'
import {
  checkSpec,
  isPlainObject,
  KvError,
  parseSpec,
  printSpec,
  refuseUnknown,
  type CompressionSpec,
  type JsonObject,
} from '@qpkv/spec'
import { readJson } from '../options/read-json.ts'

/** A sweep's job, or a part of it: what a worker elsewhere runs alone. Plain JSON. */
export interface RangedJob extends SweepJob {
  /** Left out: all of the run's. */
  readonly samples?: SampleRange
}

/** Reads a job, or a list of them as `qpkv sweep` writes it (jobs.json). @throws KvError KV_INVALID_SPEC with file and path in it */
export async function readJobs(path: string): Promise<readonly RangedJob[]> {
  const value = await readJson(path, HINT)
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw invalid(path, 'has no job')
  return list.map((job, i) => checkJob(job, Array.isArray(value) ? `${path}, [${i}]` : path))
}

/** A job that came from outside, with its specs checked. */
export function checkJob(value: unknown, where: string): RangedJob {
  if (!isPlainObject(value)) throw invalid(where, 'is no job')
  refuseUnknown(value, ['id', 'model', 'task', 'specs', 'samples'], where, 'KV_INVALID_SPEC', 'field')
  const { id, model, task, specs, samples } = value
  if (typeof model !== 'string') throw invalid(where, 'needs a text for "model"')
  if (!isPlainObject(task) || typeof task['bench'] !== 'string' || !isPlainObject(task['options'] ?? {}))
    throw invalid(where, 'needs { "bench": …, "options": { … } } for "task"')
  if (!Array.isArray(specs) || specs.length === 0) throw invalid(where, 'needs a list for "specs"')
  if (samples !== undefined && !isPlainObject(samples))
    throw invalid(where, 'needs { "from": N, "to": N } for "samples"')
  return {
    id: typeof id === 'string' ? id : 'job',
    model,
    task: { bench: task['bench'], options: (task['options'] ?? {}) as JsonObject },
    specs: specs.map(readSpec),
    ...(samples && { samples: samples as unknown as SampleRange }),
  }
}

/** `{ label, spec }`, a spec, or its text. */
function readSpec(value: unknown): NamedSpec {
  const inner = isPlainObject(value) && 'spec' in value ? value['spec'] : value
  const spec: CompressionSpec = typeof inner === 'string' ? parseSpec(inner) : checkSpec(inner)
  const label = isPlainObject(value) ? value['label'] : undefined
  return { label: typeof label === 'string' ? label : printSpec(spec), spec }
}

const HINT = 'qpkv sweep GRID --dry-run writes jobs.json, which shows what a job looks like.'

const invalid = (where: string, problem: string) =>
  new KvError('KV_INVALID_SPEC', `${where} ${problem}.`, { hint: HINT })
