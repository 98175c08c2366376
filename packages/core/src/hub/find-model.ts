import { existsSync } from 'node:fs'
import { downloadModel, type DownloadOptions } from './download-model.ts'
import { parseModelId } from './model-id.ts'

/**
 * Folder of a model given as a path or, where no such path exists, as
 * `org/name[@revision]` on the hub. @throws KV_DOWNLOAD, KV_ABORTED.
 */
export async function findModel(pathOrName: string, options: DownloadOptions = {}): Promise<string> {
  if (existsSync(pathOrName) || !parseModelId(pathOrName)) return pathOrName
  return downloadModel(pathOrName, options)
}
