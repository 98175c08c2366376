import { type Category, type DatasetFacts, datasets, englishDatasets } from '../data/datasets.ts'

/** An average with what it is the average of. */
export interface LabelledAverage {
  /** What to print beside the number; says so where datasets are missing. */
  label: string
  /** 0..100, not rounded; NaN where no dataset counts. */
  value: number
  /** Names of the datasets that went in. */
  datasets: string[]
  /** Names of those that should have and did not. An average with missing ones is no LongBench score. */
  missing: string[]
}

export type DatasetScores = Readonly<Record<string, number>>

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

function split(
  scores: DatasetScores,
  wanted: readonly DatasetFacts[],
): { present: DatasetFacts[]; missing: string[] } {
  const present = wanted.filter((one) => scores[one.name] !== undefined)
  return { present, missing: wanted.filter((one) => !present.includes(one)).map((one) => one.name) }
}

const label = (what: string, present: readonly DatasetFacts[], missing: readonly string[]): string =>
  missing.length === 0
    ? what
    : `${what}, only ${present.length} of ${present.length + missing.length} datasets`

/** Mean score of every category that has a score, 0..100. */
export function categoryMeans(
  scores: DatasetScores,
  wanted: readonly DatasetFacts[] = datasets,
): Partial<Record<Category, number>> {
  const { present } = split(scores, wanted)
  const categories = new Set(present.map((one) => one.category))
  const members = (category: Category): number[] =>
    present.filter((one) => one.category === category).map((one) => scores[one.name] ?? NaN)
  return Object.fromEntries([...categories].map((category) => [category, mean(members(category))]))
}

/** LongBench's own average: the mean of the six category means, for one language; code counts in both. */
export function sixCategoryMean(scores: DatasetScores, language: 'en' | 'zh'): LabelledAverage {
  const wanted = datasets.filter((one) => one.language === language || one.language === 'code')
  const { present, missing } = split(scores, wanted)
  return {
    label: label(`mean of six category means, ${language} (LongBench)`, present, missing),
    value: mean(Object.values(categoryMeans(scores, wanted))),
    datasets: present.map((one) => one.name),
    missing,
  }
}

/** The KV compression papers' average: the plain mean over datasets, by default the 16 that are not Chinese. */
export function flatMean(
  scores: DatasetScores,
  wanted: readonly DatasetFacts[] = englishDatasets,
): LabelledAverage {
  const { present, missing } = split(scores, wanted)
  return {
    label: label(`flat mean of ${wanted.length} datasets`, present, missing),
    value: mean(present.map((one) => scores[one.name] ?? NaN)),
    datasets: present.map((one) => one.name),
    missing,
  }
}
