import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { type DatasetRequest, findDataset } from '../data/datasets.ts'

/** Who wrote a prediction file: LongBench itself, or QPruningKV and KVCache-Factory. */
export type PredictionLayout = 'official' | 'qpruningkv'

export interface PredictionFile {
  file: string
  layout: PredictionLayout
  request: DatasetRequest
  /** Name of the method in the layout `qpruningkv`, e.g. SnapKV. */
  method?: string
}

function requestOf(name: string): DatasetRequest | undefined {
  try {
    return findDataset(name)
  } catch {
    return undefined
  }
}

/** Where the official code keeps the predictions of a model, below its working folder. */
export const officialPath = (model: string, dataset: string, lengths: 'natural' | 'even'): string =>
  join(lengths === 'even' ? 'pred_e' : 'pred', model, `${dataset}.jsonl`)

/** Where QPruningKV and KVCache-Factory keep them: the model's name in lower case, without its folders. */
export const qpruningkvPath = (
  model: string,
  budget: number | string,
  dataset: string,
  method: string,
): string => join(`${model.toLowerCase().split('/').pop() ?? ''}_${budget}`, dataset, `${method}.json`)

/** Files beside the predictions that are none. */
const notPredictions = new Set(['metrics', 'run_meta'])

/**
 * Finds the prediction files of one model in a folder: `<dataset>.jsonl` (official; `_e` scores if the path has the
 * folder `pred_e`) and `<dataset>/<Method>.json`. Other files are passed over.
 * @throws KvError KV_DATA where there are none.
 */
export async function findPredictionFiles(folder: string): Promise<PredictionFile[]> {
  const found = await predictionsIn(folder)
  if (found.length > 0) return found
  throw new KvError('KV_DATA', `Expected predictions in ${folder} but there are none.`, {
    hint: 'Point to the folder that holds hotpotqa.jsonl, ... (official) or hotpotqa/SnapKV.json, ... (QPruningKV).',
  })
}

/**
 * The same for every model below a folder, at any depth, by the folder of each.
 * @throws KvError KV_DATA where there are none.
 */
export async function findPredictionFolders(folder: string): Promise<ReadonlyMap<string, PredictionFile[]>> {
  const below = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const folders = [
    folder,
    ...below.flatMap((one) => (one.isDirectory() ? [join(one.parentPath, one.name)] : [])),
  ]
  const found = new Map<string, PredictionFile[]>()
  for (const one of folders.sort()) {
    const files = await predictionsIn(one)
    if (files.length > 0) found.set(one, files)
  }
  return found.size > 0 ? found : new Map([[folder, await findPredictionFiles(folder)]])
}

async function predictionsIn(folder: string): Promise<PredictionFile[]> {
  const even = folder.split(/[\\/]/).includes('pred_e')
  const found: PredictionFile[] = []
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    const request = requestOf(entry.name.replace(/\.jsonl$/, ''))
    if (!request) continue
    if (entry.isFile() && entry.name.endsWith('.jsonl')) {
      found.push({ file: path, layout: 'official', request: { ...request, even: request.even || even } })
    } else if (entry.isDirectory()) {
      for (const file of await readdir(path)) {
        const method = file.replace(/\.json$/, '')
        if (method === file || notPredictions.has(method)) continue
        found.push({ file: join(path, file), layout: 'qpruningkv', request, method })
      }
    }
  }
  return found.sort((a, b) => (a.file < b.file ? -1 : 1))
}
