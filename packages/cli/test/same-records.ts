import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { wholeLines } from './result-lines.ts'

/** Records of a folder by file and id, without what a machine and a moment decide. */
function recordsOf(folder: string): Map<string, unknown> {
  const records = new Map<string, unknown>()
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.jsonl')))
    for (const line of wholeLines(join(folder, name))) {
      const { timings: _, peakRssBytes: _p, ...record } = JSON.parse(line) as Record<string, unknown>
      if (record['kind'] !== 'sample') continue
      const key = `${name} ${String(record['id'])}`
      expect(records.has(key), `${key} stands twice`).toBe(false)
      records.set(key, record)
    }
  return records
}

/** Expects the same records in two folders, order aside; says how many. */
export function sameRecords(folder: string, other: string): number {
  const [one, two] = [recordsOf(folder), recordsOf(other)]
  expect([...one.keys()].sort()).toEqual([...two.keys()].sort())
  for (const [key, record] of one) expect(record, key).toEqual(two.get(key))
  return one.size
}
