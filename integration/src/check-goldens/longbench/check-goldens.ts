import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadSegmenter, type Segment } from '@qpkv/bench-longbench'
import { countDifferences, type GoldenResult } from '../golden-result.ts'
import { readLines } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { type GoldenFamily, goldenFamilies } from './families.ts'
import type { GoldenRow } from './golden-row.ts'

const tolerance = 1e-12

/** Numbers within 1e-12 (null = NaN), everything else equal. */
function agrees(expected: unknown, received: unknown): boolean {
  if (typeof received === 'number') {
    if (Number.isNaN(received)) return expected === null
    return typeof expected === 'number' && Math.abs(expected - received) <= tolerance
  }
  if (
    typeof received === 'object' &&
    received !== null &&
    typeof expected === 'object' &&
    expected !== null
  ) {
    const [left, right] = [expected as GoldenRow, received as GoldenRow]
    const names = Object.keys(left)
    return (
      names.length === Object.keys(right).length && names.every((name) => agrees(left[name], right[name]))
    )
  }
  return expected === received
}

/** The first field of a row that this package does not reproduce, or null. */
function differenceIn(row: GoldenRow, family: GoldenFamily, segment: Segment): string | null {
  let computed: Record<string, unknown>
  try {
    computed = family.compute(row, segment)
  } catch (error) {
    return `${String(row['id'])}: ${String(error)}`
  }
  const wrong = Object.entries(computed).find(
    ([field, received]) => row[field] !== undefined && !agrees(row[field], received),
  )
  if (wrong === undefined) return null
  const [field, received] = wrong
  const [expected, got] = [row[field], received].map((value) => JSON.stringify(value).slice(0, 300))
  return `${String(row['id'])}.${field}: expected ${expected} but received ${got}`
}

function parseRow(text: string): GoldenRow | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as GoldenRow)
      : undefined
  } catch {
    return undefined
  }
}

async function checkFile(dir: string, name: string, segment: Segment | string): Promise<GoldenResult> {
  const family = goldenFamilies[name]
  if (!family) return countDifferences(name, [], 'no check is known for this family')
  const outcomes: (string | null)[] = []
  let unreadable = 0
  let unchecked = 0
  const file = join(dir, `${name}.jsonl`)
  for await (const { text } of readLines(createReadStream(file), file)) {
    if (text?.trim() === '') continue
    const row = text === null ? null : parseRow(text)
    if (!row) unreadable++
    else if (typeof segment === 'string' && family.needsSegmenter(row)) unchecked++
    else outcomes.push(differenceIn(row, family, typeof segment === 'string' ? () => [] : segment))
  }
  const notChecked = [
    ...(unreadable > 0 ? [`${unreadable} lines are no JSON objects`] : []),
    ...(unchecked > 0 ? [`${unchecked} rows: ${String(segment)}`] : []),
  ]
  return countDifferences(name, outcomes, notChecked.length > 0 ? notChecked.join('; ') : undefined)
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
