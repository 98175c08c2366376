import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SampleRecord } from '@qpkv/bench-kit'
import type { OriginalResult } from './read-original.ts'

/** `1_len_1000_depth_1100_results.json`: depth times 100, as the originals name it. */
export const originalFileName = (version: number, length: number, depth: number): string =>
  `${version}_len_${length}_depth_${Math.trunc(depth * 100)}_results.json`

/** A grid's record in the originals' layout. */
export function toOriginal(
  record: SampleRecord,
  about: {
    readonly model: string
    readonly needle: string
    readonly version?: number
    readonly measuredAt: string
  },
): OriginalResult {
  const { timings, facets, answers } = record
  return {
    model: about.model,
    context_length: Number(facets['length']),
    depth_percent: Number(facets['depth']),
    version: about.version ?? 1,
    needle: about.needle,
    model_response: answers[0]?.reply.trim() ?? '',
    score: (answers[0]?.scores['rouge1'] ?? 0) * 10,
    test_duration_seconds: (timings.prefillMs + timings.appendMs + timings.decodeMs) / 1000,
    test_timestamp_utc: about.measuredAt,
  }
}

/** One file per cell; existing ones are replaced. Returns the paths. */
export async function writeOriginalFolder(
  folder: string,
  results: readonly OriginalResult[],
): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  return Promise.all(
    results.map(async (result) => {
      const path = join(folder, originalFileName(result.version, result.context_length, result.depth_percent))
      await writeFile(path, `${JSON.stringify(result)}\n`)
      return path
    }),
  )
}
