import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { readLines } from '../data/read-lines.ts'
import { loadSegmenter } from '../jieba/load-segmenter.ts'
import type { Segment } from '../metrics/segment.ts'
import { type GoldenFamily, goldenFamilies } from './families.ts'
import type { GoldenRow } from './golden-row.ts'

/** What came of one golden file. */
export interface GoldenResult {
  /** File name without ending, e.g. `longbench_rouge_l`. */
  family: string
  passed: number
  failed: number
  /** The first five differences, one line each: row id, field, expected, received. */
  firstDifferences: string[]
  /** Lines that are no JSON object; neither passed nor failed. */
  unreadable: number
  /** Present where rows could not be checked: how many, and what is missing. Such rows are not in `passed`. */
  notChecked?: string
}

const tolerance = 1e-12

/** Numbers within 1e-12 (null = NaN), everything else equal. */
function agrees(expected: unknown, received: unknown): boolean {
  if (typeof received === 'number') {
    if (Number.isNaN(received)) return expected === null
    return typeof expected === 'number' && Math.abs(expected - received) <= tolerance
  }
  if (typeof received === 'object' && received !== null && typeof expected === 'object' && expected !== null) {
    const [left, right] = [expected as GoldenRow, received as GoldenRow]
    const names = Object.keys(left)
    return names.length === Object.keys(right).length && names.every((name) => agrees(left[name], right[name]))
  }
  return expected === received
}

function differencesOf(row: GoldenRow, family: GoldenFamily, segment: Segment): string[] {
  let computed: Record<string, unknown>
  try {
    computed = family.compute(row, segment)
  } catch (error) {
    return [`${String(row['id'])}: ${String(error)}`]
  }
  return Object.entries(computed)
    .filter(([field, received]) => row[field] !== undefined && !agrees(row[field], received))
    .map(([field, received]) => {
      const [expected, got] = [row[field], received].map((value) => JSON.stringify(value).slice(0, 300))
      return `${String(row['id'])}.${field}: expected ${expected} but received ${got}`
    })
}

function parseRow(text: string): GoldenRow | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as GoldenRow) : undefined
  } catch {
    return undefined
  }
}

async function checkFile(dir: string, name: string, segment: Segment | string): Promise<GoldenResult> {
  const result: GoldenResult = { family: name, passed: 0, failed: 0, firstDifferences: [], unreadable: 0 }
  const family = goldenFamilies[name]
  if (!family) return { ...result, notChecked: 'no check is known for this family' }
  let unchecked = 0
  const file = join(dir, `${name}.jsonl`)
  for await (const { text } of readLines(createReadStream(file), file)) {
    if (text.trim() === '') continue
    const row = parseRow(text)
    if (!row) {
      result.unreadable++
      continue
    }
    if (typeof segment === 'string' && family.needsSegmenter(row)) {
      unchecked++
      continue
    }
    const cut = typeof segment === 'string' ? (): string[] => [] : segment
    const differences = differencesOf(row, family, cut)
    if (differences.length === 0) result.passed++
    else result.failed++
    result.firstDifferences.push(...differences.slice(0, 5 - result.firstDifferences.length))
  }
  return unchecked > 0 ? { ...result, notChecked: `${unchecked} rows: ${String(segment)}` } : result
}

/**
 * Checks the files `longbench_*.jsonl` and `jieba_cut.jsonl` of a folder of golden vectors against this package.
 * @param assets folder with jieba's tables (see `loadSegmenter`); without tables Chinese rows are reported as not checked.
 */
export async function checkGoldens(dir: string, assets?: string): Promise<GoldenResult[]> {
  const listed = await readdir(dir).catch((cause: unknown) => {
    throw new KvError('KV_DATA', `Expected a folder of golden rows at ${dir}.`, { cause })
  })
  const names = listed
    .filter((file) => /^(longbench_.*|jieba_cut)\.jsonl$/.test(file))
    .map((file) => file.replace(/\.jsonl$/, ''))
    .sort()
  let segment: Segment | string
  try {
    segment = await loadSegmenter(assets)
  } catch (error) {
    if (!KvError.isInstance(error)) throw error
    segment = [error.message, error.hint ?? ''].join(' ').trim()
  }
  const results: GoldenResult[] = []
  for (const name of names) results.push(await checkFile(dir, name, segment))
  return results
}
