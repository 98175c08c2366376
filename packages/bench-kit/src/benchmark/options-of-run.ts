import { KvError, type JsonObject } from '@qpkv/spec'
import type { Results } from '../result/read-results.ts'
import type { Benchmark } from './benchmark.ts'

/** A run of a result file: its options, and the records and specs that were its own. */
export interface RunAgain {
  readonly options: JsonObject
  readonly results: Results
}

/**
 * What a result file was made from, to run it again: the inverse of the identity, with the paths of today. A file of schema 1 may hold two
 * runs, a protocol each.
 * @throws KvError KV_INVALID_OPTION where the run read files and nobody says where they are now
 */
export function optionsOfRun(benchmark: Benchmark, results: Results, paths: JsonObject): RunAgain[] {
  const { task } = results.header.identity
  const usable = Object.fromEntries(
    Object.entries(paths).filter(([name]) => benchmark.options[name]?.role === 'path'),
  )
  if (!('options' in task)) {
    const runs = benchmark.upgrade?.(task) ?? []
    return runs.map((options) => ({
      options: { ...options, ...usable },
      results: runs.length === 1 ? results : ofProtocol(results, options['protocol']),
    }))
  }
  const wanted = task['paths'] as readonly string[]
  const missing = wanted.find((name) => usable[name] === undefined)
  if (missing !== undefined)
    throw new KvError(
      'KV_INVALID_OPTION',
      `The run read files (${wanted.join(', ')}); say where they are now.`,
      {
        hint: `Add --${missing} PATH.`,
      },
    )
  return [{ options: { ...(task['options'] as JsonObject), ...results.extent, ...usable }, results }]
}

function ofProtocol(results: Results, protocol: unknown): Results {
  const records = results.records.filter(({ facets }) => facets['protocol'] === protocol)
  const asked = new Set(records.map(({ spec }) => spec))
  const specs = new Map([...results.specs].filter(([id]) => asked.has(id)))
  return { ...results, records, specs, failures: [] }
}
