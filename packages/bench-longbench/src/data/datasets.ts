import { KvError } from '@qpkv/spec'

export type Category = 'single-doc-qa' | 'multi-doc-qa' | 'summarization' | 'few-shot' | 'synthetic' | 'code'
export type Language = 'en' | 'zh' | 'code'
export type MetricName =
  | 'qa-f1'
  | 'qa-f1-zh'
  | 'rouge-l'
  | 'rouge-l-zh'
  | 'classification'
  | 'count'
  | 'retrieval'
  | 'retrieval-zh'
  | 'code-similarity'

/** Facts about one dataset of LongBench v1 (https://arxiv.org/abs/2308.14508). */
export interface DatasetFacts {
  name: DatasetName
  category: Category
  language: Language
  metric: MetricName
  /** Rows of the official file. */
  rows: number
  /** New tokens of the official configuration; a run reads them from the official file, this is for checks. */
  maxNewTokens: number
  /** False for the six datasets that are given to a chat model as raw text. */
  chatTemplate: boolean
  /** True where only the first line of a prediction is scored. */
  firstLineOnly: boolean
  /** Rows of the `_e` file by bucket (0-4k, 4-8k, 8k+), where there is one. */
  evenRows?: readonly [number, number, number]
}

type Row = readonly [
  Category,
  Language,
  MetricName,
  rows: number,
  maxNewTokens: number,
  evenRows?: readonly [number, number, number],
]

const even = [100, 100, 100] as const

const table = {
  narrativeqa: ['single-doc-qa', 'en', 'qa-f1', 200, 128],
  qasper: ['single-doc-qa', 'en', 'qa-f1', 200, 128, [100, 100, 24]],
  multifieldqa_en: ['single-doc-qa', 'en', 'qa-f1', 150, 64, [67, 70, 13]],
  multifieldqa_zh: ['single-doc-qa', 'zh', 'qa-f1-zh', 200, 64],
  hotpotqa: ['multi-doc-qa', 'en', 'qa-f1', 200, 32, even],
  '2wikimqa': ['multi-doc-qa', 'en', 'qa-f1', 200, 32, even],
  musique: ['multi-doc-qa', 'en', 'qa-f1', 200, 32],
  dureader: ['multi-doc-qa', 'zh', 'rouge-l-zh', 200, 128],
  gov_report: ['summarization', 'en', 'rouge-l', 200, 512, even],
  qmsum: ['summarization', 'en', 'rouge-l', 200, 512],
  multi_news: ['summarization', 'en', 'rouge-l', 200, 512, [100, 100, 94]],
  vcsum: ['summarization', 'zh', 'rouge-l-zh', 200, 512],
  trec: ['few-shot', 'en', 'classification', 200, 64, even],
  triviaqa: ['few-shot', 'en', 'qa-f1', 200, 32, even],
  samsum: ['few-shot', 'en', 'rouge-l', 200, 128, even],
  lsht: ['few-shot', 'zh', 'classification', 200, 64],
  passage_count: ['synthetic', 'en', 'count', 200, 32, even],
  passage_retrieval_en: ['synthetic', 'en', 'retrieval', 200, 32, even],
  passage_retrieval_zh: ['synthetic', 'zh', 'retrieval-zh', 200, 32],
  lcc: ['code', 'code', 'code-similarity', 500, 64, even],
  'repobench-p': ['code', 'code', 'code-similarity', 500, 64, even],
} as const satisfies Record<string, Row>

export type DatasetName = keyof typeof table

const firstLineOnly: readonly string[] = ['trec', 'triviaqa', 'samsum', 'lsht']

function factsOf(name: DatasetName): DatasetFacts {
  const [category, language, metric, rows, maxNewTokens, evenRows]: Row = table[name]
  return {
    name,
    category,
    language,
    metric,
    rows,
    maxNewTokens,
    chatTemplate: category !== 'few-shot' && category !== 'code',
    firstLineOnly: firstLineOnly.includes(name),
    ...(evenRows ? { evenRows } : {}),
  }
}

/** The 21 datasets in the order of the official table. */
export const datasets: readonly DatasetFacts[] = (Object.keys(table) as DatasetName[]).map(factsOf)

/** The 16 datasets that the KV compression papers use: all that are not Chinese. */
export const englishDatasets: readonly DatasetFacts[] = datasets.filter((one) => one.language !== 'zh')

/** The 13 datasets that have an `_e` file of evenly spread lengths. */
export const evenDatasets: readonly DatasetFacts[] = datasets.filter((one) => one.evenRows !== undefined)

const names = (list: readonly DatasetFacts[]): string => list.map((one) => one.name).join(', ')

/** A dataset as it is asked for: `qasper`, or `qasper_e` for the file of evenly spread lengths. */
export interface DatasetRequest {
  facts: DatasetFacts
  even: boolean
}

/**
 * Finds a dataset by its official name, with or without `_e`.
 * @throws KvError KV_INVALID_OPTION, naming the known ones.
 */
export function findDataset(name: string): DatasetRequest {
  const facts = datasets.find((one) => one.name === name)
  if (facts) return { facts, even: false }
  const base = name.endsWith('_e') ? evenDatasets.find((one) => `${one.name}_e` === name) : undefined
  if (base) return { facts: base, even: true }
  throw new KvError('KV_INVALID_OPTION', `LongBench has no dataset named "${name}".`, {
    hint: `Known: ${names(datasets)}; also with _e: ${names(evenDatasets)}.`,
  })
}
