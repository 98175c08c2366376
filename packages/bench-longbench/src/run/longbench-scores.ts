import type { SampleRecord } from '@qpkv/bench-kit'
import { bucketScores, datasetScore, type BucketScores } from '../scores/scorer.ts'
import type { DatasetScores } from '../scores/averages.ts'

/** Dataset scores of one spec from a run's records, 0..100, as the official scorer rounds them. */
export function longBenchScores(records: readonly SampleRecord[], spec: string): DatasetScores {
  return Object.fromEntries(
    [...byDataset(records, spec)].map(([dataset, mine]) => [dataset, datasetScore(mine.map(scoreOf))]),
  )
}

/** The same by length, as the official scorer of the `_e` files. */
export function longBenchBuckets(
  records: readonly SampleRecord[],
  spec: string,
): Readonly<Record<string, BucketScores>> {
  return Object.fromEntries(
    [...byDataset(records, spec)].map(([dataset, mine]) => [
      dataset,
      bucketScores(
        mine.map(scoreOf),
        mine.map(({ facets }) => Number(facets['words'])),
      ),
    ]),
  )
}

const scoreOf = ({ answers }: SampleRecord) => answers[0]?.scores['score'] ?? 0

function byDataset(records: readonly SampleRecord[], spec: string): Map<string, SampleRecord[]> {
  const groups = new Map<string, SampleRecord[]>()
  for (const record of records) {
    if (record.spec !== spec) continue
    const dataset = String(record.facets['dataset'])
    groups.set(dataset, [...(groups.get(dataset) ?? []), record])
  }
  return groups
}
