import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  generateTask,
  isRulerTask,
  rulerRowLine,
  type RulerAssets,
  type RulerTask,
  type TokenCounter,
} from '@qpkv/bench-ruler'
import { countDifferences, type GoldenResult } from '../golden-result.ts'
import { KvError } from '@qpkv/spec'

/** What it takes to rebuild official files byte for byte. */
export interface GoldenAssets {
  /** official templates, words and essays */
  readonly assets: RulerAssets
  /** the tokenizer that the files were made with (Llama-3) */
  readonly tokenizer: TokenCounter
}

interface GoldenFile {
  readonly path: string
  readonly length: number
  readonly task: RulerTask
}

/**
 * Rebuild the files `ruler/<length>/<task>.jsonl` of the folder (current scripts, seed 42) and compare them byte for
 * byte. Without assets nothing is compared, and the result says so.
 */
export async function checkFileGoldens(directory: string, golden?: GoldenAssets): Promise<GoldenResult[]> {
  const files = await goldenFiles(join(directory, 'ruler'))
  if (files.length === 0) return [countDifferences('ruler', [], `no file in ${join(directory, 'ruler')}`)]
  if (golden === undefined) {
    const reason = `${files.length} files not compared: they need the official assets and the Llama-3 tokenizer`
    return [countDifferences('ruler', [], reason)]
  }
  const outcomes: (string | null)[] = []
  const unchecked: string[] = []
  for (const file of files) {
    const outcome = await compareFile(file, golden)
    if (outcome.missing === undefined) outcomes.push(outcome.difference)
    else unchecked.push(outcome.missing)
  }
  return [countDifferences('ruler', outcomes, unchecked.length === 0 ? undefined : unchecked.join(' '))]
}

async function goldenFiles(folder: string): Promise<GoldenFile[]> {
  const lengths = (await readdir(folder).catch(() => [])).filter((name) => /^\d+$/.test(name)).sort()
  const perLength = lengths.map(async (length) => {
    const names = (await readdir(join(folder, length))).sort()
    return names.flatMap((name) => {
      const task = name.replace(/\.jsonl$/, '')
      return isRulerTask(task) ? [{ path: join(folder, length, name), length: Number(length), task }] : []
    })
  })
  return (await Promise.all(perLength)).flat()
}

interface FileOutcome {
  readonly difference: string | null
  /** set when the assets lack what the task needs */
  readonly missing?: string
}

async function compareFile({ path, length, task }: GoldenFile, golden: GoldenAssets): Promise<FileOutcome> {
  const wanted = await readFile(path, 'utf8')
  const samples = wanted.split('\n').filter((line) => line !== '').length
  let ours: string
  try {
    const rows = generateTask(task, { scripts: 'current', length, samples, ...golden })
    ours = Array.from(rows, rulerRowLine).join('')
  } catch (error) {
    if (!KvError.isInstance(error)) throw error
    return error.code === 'KV_DATA'
      ? { difference: null, missing: `${task} at ${length}: ${error.message}` }
      : { difference: `${task} at ${length}: ${error.message}` }
  }
  if (ours === wanted) return { difference: null }
  const at =
    Array.from({ length: wanted.length }, (_, i) => i).find((i) => ours[i] !== wanted[i]) ?? wanted.length
  const near = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40))
  return { difference: `${task} at ${length}, character ${at}: expected ${near(wanted)}, got ${near(ours)}` }
}
