import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DatasetFacts, datasets, type MetricName } from '../data/datasets.ts'
import type { OfficialConfig } from '../data/official-config.ts'
import type { LongBenchRow } from '../data/row.ts'
import { classificationZh, sampleMakers } from './make-sample.ts'
import { seededRandom } from './random.ts'

/** What every result made with stand-ins must say. */
export const standInNotice = 'made with stand-in rows, not with LongBench: no benchmark score'

export interface StandInOptions {
  /** Same seed, same rows. */
  seed: number
  rows: number
  /** Sentences, paragraphs or functions per context. */
  size: number
}

/** Length as LongBench counts it: words, in Chinese characters. */
function lengthOf(text: string, dataset: DatasetFacts): number {
  return dataset.language === 'zh'
    ? Array.from(text).length
    : text.split(/\s+/).filter((word) => word !== '').length
}

/** Rows in the form of a dataset, of our own words, right answers included. */
export function standInRows(dataset: DatasetFacts, options: StandInOptions): LongBenchRow[] {
  const make = dataset.name === 'lsht' ? classificationZh : sampleMakers[dataset.metric]
  return Array.from({ length: options.rows }, (_, at) => {
    const id = `standin-${dataset.name}-${options.seed}-${at}`
    const sample = make(seededRandom(`${id}-${options.size}`), options.size)
    const text = [sample.input, sample.context, ...sample.answers].join(' ')
    return {
      id,
      dataset: dataset.name,
      language: dataset.language,
      length: lengthOf(text, dataset),
      ...sample,
    }
  })
}

const promptOf: Readonly<Record<MetricName, string>> = {
  'qa-f1': 'Notes:\n{context}\n\nQuestion: {input} Answer in a few words.\nAnswer:',
  'qa-f1-zh': '记录：\n{context}\n\n问题：{input}请用几个字回答。\n回答：',
  'rouge-l': 'Diary:\n{context}\n\n{input} Repeat both entries.\nEntries:',
  'rouge-l-zh': '日记：\n{context}\n\n{input}\n回答：',
  classification: 'Name the kind of the last word, as in the list.\n{context}\n{input}',
  count:
    'Some of these paragraphs come twice:\n\n{context}\n\nHow many different ones are there? Give the number only.\nNumber: ',
  retrieval: '{context}\n\nWhich paragraph is this about: {input}\nAnswer like "Paragraph 1".\nAnswer: ',
  'retrieval-zh': '{context}\n\n下面说的是哪一段：{input}\n请回答“段落1”这样的格式。\n回答：',
  'code-similarity': 'Write the next line of this program.\n{context}Next line of code:\n',
}

/** Prompts of our own words for all datasets, with the official answer lengths. */
export const standInConfig: OfficialConfig = {
  prompts: Object.fromEntries(datasets.map((one) => [one.name, promptOf[one.metric]])),
  maxNewTokens: Object.fromEntries(datasets.map((one) => [one.name, one.maxNewTokens])),
  maxPromptTokens: {},
}

const line = (row: LongBenchRow): string => {
  const { id, allClasses, ...rest } = row
  return `${JSON.stringify({ ...rest, all_classes: allClasses, _id: id })}\n`
}

/** Writes stand-ins as a folder like the official distribution: `data/<dataset>.jsonl`, `data/<dataset>_e.jsonl` and `config/*.json`. */
export async function writeStandIns(folder: string, options: StandInOptions): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true })
  await mkdir(join(folder, 'config'), { recursive: true })
  for (const dataset of datasets) {
    const rows = standInRows(dataset, options).map(line)
    await writeFile(join(folder, 'data', `${dataset.name}.jsonl`), rows.join(''))
    if (dataset.evenRows !== undefined)
      await writeFile(join(folder, 'data', `${dataset.name}_e.jsonl`), rows.join(''))
  }
  const save = (name: string, table: unknown): Promise<void> =>
    writeFile(join(folder, 'config', name), `${JSON.stringify(table, null, 2)}\n`)
  await save('dataset2prompt.json', standInConfig.prompts)
  await save('dataset2maxlen.json', standInConfig.maxNewTokens)
  await writeFile(join(folder, 'STAND-INS.txt'), `Results with these files are ${standInNotice}.\n`)
}
