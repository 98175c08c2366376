import { orDash, textTable } from '@qpkv/bench-kit'
import { dirname, relative } from 'node:path'
import {
  datasets,
  findPredictionFolders,
  flatMean,
  loadSegmenter,
  scorePredictionFile,
  sixCategoryMean,
  type FileScore,
  type PredictionFile,
} from '@qpkv/bench-longbench'
import { KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import { collectProblems, printProblems } from '../bench/problems.ts'
import type { Io } from '../io.ts'
import { jsonText, put } from '../output/put.ts'
import { findRulerPredictions, scoreRulerFiles } from '../score/ruler-predictions.ts'
import type { ScoredFile } from '../score/scored-file.ts'

interface ScoreFlags {
  readonly assets?: string
  readonly json?: string
  readonly strict?: boolean
}

/** `qpkv score DIR`: predictions that the original codes wrote. */
export function addScore(program: Command, io: Io): void {
  program
    .command('score')
    .description('score predictions of LongBench, RULER, QPruningKV or KVCache-Factory as their scorers do')
    .argument(
      '<DIR>',
      'DATASET.jsonl, DATASET/METHOD.json, [LENGTH/]TASK.jsonl or LENGTH/TASK/METHOD.json below it',
    )
    .option('--assets <DIR>', "folder with jieba's tables, for Chinese datasets (see qpkv pull lexica)")
    .option('--json <FILE>', 'write the scores as JSON, too')
    .option('--strict', 'the first bad line ends the command')
    .action(async (folder: string, flags: ScoreFlags) => {
      const { problems, onBadRow } = collectProblems(flags.strict === true)
      const ruler = await findRulerPredictions(folder)
      const scored =
        ruler.length > 0
          ? await scoreRulerFiles(ruler, onBadRow)
          : await scoreLongBench(folder, flags.assets, onBadRow, io)
      printProblems(problems, io)
      io.stdout.write(scoresText(scored))
      if (flags.json !== undefined) await put(flags.json, jsonText(scored))
    })
}

async function scoreLongBench(
  folder: string,
  assets: string | undefined,
  onBadRow: (error: Error) => void,
  io: Io,
): Promise<ScoredFile[]> {
  const folders = await findPredictionFolders(folder)
  const files = [...folders.values()].flat()
  const chinese = files.some(({ request }) => request.facts.metric.endsWith('-zh'))
  const segment = chinese ? await loadSegmenter(assets) : undefined
  const scores: FileScore[] = []
  for (const file of files) {
    try {
      scores.push(await scorePredictionFile(file, segment ? { segment } : {}, onBadRow))
    } catch (error) {
      if (!KvError.isInstance(error)) throw error
      onBadRow(error)
    }
  }
  const scored = scores.map(({ file, rows, score, buckets }): ScoredFile => ({
    // Below several folders, the folder tells models and capacities apart.
    method: folders.size > 1 ? methodIn(folder, file) : (file.method ?? '-'),
    task: `${file.request.facts.name}${file.request.even ? '_e' : ''}`,
    file: file.file,
    rows,
    score,
    ...(buckets && file.request.even ? { buckets: { ...buckets } } : {}),
  }))
  for (const method of new Set(scored.map((one) => one.method))) {
    const mine = scored.filter((one) => one.method === method)
    const byDataset = Object.fromEntries(mine.map(({ task, score }) => [task, score]))
    const chinese = mine.some(({ task }) => chineseDatasets.has(task))
    const means = [sixCategoryMean(byDataset, 'en'), ...(chinese ? [sixCategoryMean(byDataset, 'zh')] : [])]
    for (const { label, value, datasets: present } of [...means, flatMean(byDataset)])
      if (present.length > 0) io.stdout.write(`${method}: ${value.toFixed(2)}  ${label}\n`)
  }
  return scored
}

/** `meta-llama-3_128/SnapKV`, or the folder alone in the official layout. */
function methodIn(folder: string, { file, method }: PredictionFile): string {
  const place = relative(folder, method === undefined ? dirname(file) : dirname(dirname(file)))
  return [place, method].filter((part) => part !== undefined && part !== '').join('/')
}

const chineseDatasets: ReadonlySet<string> = new Set(
  datasets.flatMap(({ name, language }) => (language === 'zh' ? [name] : [])),
)

/** A row per file; `_e` files have one per length, as the official scorer gives them. */
const scoresText = (scored: readonly ScoredFile[]): string =>
  textTable(
    ['task', 'method', 'length', 'rows', 'score'],
    scored.flatMap(({ task, method, length, rows, score, buckets }) =>
      buckets === undefined
        ? [[task, method, length === undefined ? '-' : String(length), String(rows), score.toFixed(2)]]
        : Object.entries(buckets).map(([range, value]) => [
            task,
            method,
            range,
            String(rows),
            orDash(value, 2),
          ]),
    ),
  )
