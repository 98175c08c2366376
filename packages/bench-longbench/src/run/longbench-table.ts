import { orDash, specIdOf, textTable, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import { datasets, evenDatasets } from '../data/datasets.ts'
import { flatMean, sixCategoryMean, type LabelledAverage } from '../scores/averages.ts'
import { longBenchBuckets, longBenchScores } from './longbench-scores.ts'

/** More columns than this carry numbers that a list below explains. */
const NAMED_COLUMNS = 3

/** A row per dataset (three per `_e` dataset, by length), a column per spec, the averages below. */
export function longBenchTable(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  const scores = specs.map(({ spec }) => longBenchScores(records, specIdOf(spec)))
  const buckets = specs.map(({ spec }) => longBenchBuckets(records, specIdOf(spec)))
  const present = (name: string) => scores.some((one) => name in one)
  const plain = datasets.map(({ name }) => name).filter(present)
  const even = evenDatasets.map(({ name }) => `${name}_e`).filter(present)
  const rows = [
    ...plain.map((name) => [name, ...scores.map((one) => orDash(one[name], 2))]),
    ...even.flatMap((name) =>
      (['0-4k', '4-8k', '8k+'] as const).map((range) => [
        `${name} ${range}`,
        ...buckets.map((one) => orDash(one[name]?.[range], 2)),
      ]),
    ),
    ...averagesOf(scores).map((column) => [
      column[0]?.label ?? '',
      ...column.map(({ value }) => orDash(value, 2)),
    ]),
  ]
  const many = specs.length > NAMED_COLUMNS
  const head = specs.map(({ label }, i) => (many ? `[${i + 1}]` : label))
  const list = many ? specs.map(({ label }, i) => `[${i + 1}] ${label}\n`).join('') : ''
  return textTable(['dataset', ...head], rows) + list
}

/**
 * Averages over what was run: English and code, flat; Chinese where there is any.
 * The label is that of the spec with most datasets.
 */
function averagesOf(scores: readonly Readonly<Record<string, number>>[]): LabelledAverage[][] {
  const all = Object.assign({}, ...scores) as Record<string, number>
  const kinds = [
    (one: Readonly<Record<string, number>>) => sixCategoryMean(one, 'en'),
    (one: Readonly<Record<string, number>>) => sixCategoryMean(one, 'zh'),
    (one: Readonly<Record<string, number>>) => flatMean(one),
  ]
  const chinese = datasets.some(({ name, language }) => language === 'zh' && name in all)
  return kinds
    .filter((average, kind) => average(all).datasets.length > 0 && (kind !== 1 || chinese))
    .map((average) => {
      const { label } = average(all)
      // A spec that lacks a dataset which others have gets no average that looks like theirs.
      return scores.map((one) => {
        const mine = average(one)
        const value = mine.datasets.length === average(all).datasets.length ? mine.value : NaN
        return { ...mine, label, value }
      })
    })
}
