import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelId } from './model-id.ts'
import { SINGLE_WEIGHTS, WEIGHT_INDEX, shardsOf } from './needed-files.ts'
import { fileSize, type RepositoryFolder } from './repository-folder.ts'

/**
 * Folder of a model that the cache holds in full, whoever fetched it. Weights are linked last, so a snapshot with
 * all of them has the rest too. Undefined when there is none.
 */
export async function cachedModel(folder: RepositoryFolder, id: ModelId): Promise<string | undefined> {
  const commit = await folder.commitOf(id.revision)
  if (commit === undefined) return undefined
  const snapshot = folder.snapshot(commit)
  const has = async (name: string) => (await fileSize(join(snapshot, name))) !== undefined
  if (!(await has('config.json'))) return undefined
  if (await has(SINGLE_WEIGHTS)) return snapshot
  const shards = shardsOf(await readJson(join(snapshot, WEIGHT_INDEX)))
  if (!shards) return undefined
  for (const shard of shards) if (!(await has(shard))) return undefined
  return snapshot
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined
  }
}
