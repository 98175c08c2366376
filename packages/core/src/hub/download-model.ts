import { readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { formatBytes, KvError } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { readConfig, type ModelConfig } from '../model/config.ts'
import { readJsonObject } from '../model/read-json.ts'
import { cachedModel } from './cached-model.ts'
import { downloadBlob } from './download-blob.ts'
import { HubClient, defaultRetry, Unreachable, type RetryPolicy } from './hub-client.ts'
import { hubSettings, type Environment } from './hub-settings.ts'
import { isCommit, parseModelId, type ModelId } from './model-id.ts'
import { shardsOf, SINGLE_WEIGHTS, smallFiles, WEIGHT_INDEX } from './needed-files.ts'
import { filePath, listFiles, type RemoteFile, type RemoteListing } from './remote-files.ts'
import { fileSize, RepositoryFolder } from './repository-folder.ts'

/** How far a download is. */
export interface DownloadProgress {
  readonly file: string
  /** Of this file. */
  readonly bytes: number
  readonly totalBytes: number
}

/** What a download is about to fetch, told before the weights come. */
export interface DownloadPlan {
  readonly repository: string
  /** Folder of the cache that keeps it. */
  readonly folder: string
  /** Weight files. */
  readonly files: number
  /** Of all weight files, and those of them that are not there yet. */
  readonly bytes: number
  readonly missingBytes: number
  /** What config.json says, where it can be read. */
  readonly config: ModelConfig | undefined
}

export interface DownloadOptions {
  /** Called once before weights are fetched; what it throws ends the download. */
  readonly onPlan?: (plan: DownloadPlan) => void
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress) => void
  /** HF_ENDPOINT and the others; default: the process's. */
  readonly env?: Environment
  readonly retry?: RetryPolicy
}

/**
 * Folder of a hub's model in the Hugging Face cache; fetches what is missing of it:
 * configuration, tokenizer, chat template, safetensors. A model that is already there is used,
 * whoever fetched it; without a network the last one fetched.
 * @param name `org/name` or `org/name@revision`.
 * @throws KV_DOWNLOAD, KV_ABORTED.
 */
export async function downloadModel(name: string, options: DownloadOptions = {}): Promise<string> {
  const id = parseModelId(name)
  if (!id)
    throw kvError(
      'KV_DOWNLOAD',
      `Expected the name of a model on the hub, org/name or org/name@revision, but received ${JSON.stringify(name)}.`,
      'Type a name as its page on the hub shows it.',
    )
  const settings = hubSettings(options.env)
  const folder = new RepositoryFolder(settings.cache, id.repository)
  const client = new HubClient(settings, options.retry ?? defaultRetry, options.signal)
  client.throwIfAborted()
  const cached = await cachedModel(folder, id)
  if (cached !== undefined && (settings.offline || isCommit(id.revision))) return cached
  if (settings.offline)
    throw kvError(
      'KV_DOWNLOAD',
      `HF_HUB_OFFLINE is set and ${name} is not in ${settings.cache} in full.`,
      'Unset HF_HUB_OFFLINE once to fetch it.',
    )
  try {
    // With an older copy at hand nobody should wait long for a hub that does not answer.
    const asker = new HubClient(settings, { ...client.retry, ...(cached && { attempts: 1 }) }, options.signal)
    const listing = await listFiles(asker, id)
    return await fetchModel(client, folder, id, listing, options)
  } catch (cause) {
    if (!(cause instanceof Unreachable)) throw cause
    if (cached !== undefined) {
      process.emitWarning(`${cause.message}; using ${name} as it was fetched before, from ${cached}.`, {
        code: 'KV_DOWNLOAD',
      })
      return cached
    }
    throw new KvError('KV_DOWNLOAD', `Could not fetch ${name}: ${cause.message}.`, {
      hint: 'Check the network (and HF_ENDPOINT) and run it again: it continues where it stopped.',
      cause,
    })
  }
}

async function fetchModel(
  client: HubClient,
  folder: RepositoryFolder,
  id: ModelId,
  listing: RemoteListing,
  { onProgress, onPlan }: DownloadOptions,
): Promise<string> {
  const fetchFile = async (file: RemoteFile) => {
    await downloadBlob(client, {
      file,
      url: filePath(id.repository, listing.commit, file.name),
      blob: folder.blob(file.etag),
      onBytes: (bytes) => onProgress?.({ file: file.name, bytes, totalBytes: file.bytes }),
    })
    await folder.link(listing.commit, file.name, file.etag)
  }
  if (!listing.names.has('config.json')) throw noWeights(id, 'config.json', listing)
  const single = listing.names.has(SINGLE_WEIGHTS)
  if (!single && !listing.names.has(WEIGHT_INDEX)) throw noWeights(id, 'safetensors', listing)
  for (const name of smallFiles) if (listing.names.has(name)) await fetchFile(await listing.file(name))
  if (!single) await fetchFile(await listing.file(WEIGHT_INDEX))
  const names = single ? [SINGLE_WEIGHTS] : await readShards(folder.snapshot(listing.commit), id, listing)
  const weights = await Promise.all(names.map((name) => listing.file(name)))
  const config = await plannedConfig(folder.snapshot(listing.commit))
  const missingBytes = await requireDisk(folder, weights)
  if (missingBytes > 0)
    onPlan?.({
      repository: id.repository,
      folder: folder.path,
      files: weights.length,
      bytes: weights.reduce((sum, { bytes }) => sum + bytes, 0),
      missingBytes,
      config,
    })
  for (const file of weights) await fetchFile(file)
  await folder.writeRef(id.revision, listing.commit)
  return folder.snapshot(listing.commit)
}

async function readShards(snapshot: string, id: ModelId, listing: RemoteListing): Promise<string[]> {
  const path = join(snapshot, WEIGHT_INDEX)
  let shards: string[] | undefined
  try {
    shards = shardsOf(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    shards = undefined
  }
  const missing = shards?.find((name) => !listing.names.has(name))
  if (shards && missing === undefined) return shards
  throw kvError(
    'KV_DOWNLOAD',
    `Expected ${path} to list safetensors files of ${id.repository}, but ${missing === undefined ? 'it does not' : `${missing} is not there`}.`,
    'Use another revision or another repository.',
  )
}

function noWeights(id: ModelId, what: string, listing: RemoteListing): KvError {
  const others = [...listing.names]
    .filter((name) => /\.(gguf|bin|pth|pt|safetensors)$/.test(name))
    .slice(0, 5)
  return kvError(
    'KV_DOWNLOAD',
    `Expected ${what} at the top of ${id.repository}, but found ${others.join(', ') || 'no weights'}.`,
    'Only repositories with config.json and safetensors can be loaded (no GGUF): use the original repository of the model.',
  )
}

/** A model that cannot be run is refused before its weights are fetched; other faults show when it is loaded. */
async function plannedConfig(snapshot: string): Promise<ModelConfig | undefined> {
  const path = join(snapshot, 'config.json')
  try {
    return readConfig((await readJsonObject(path)) ?? {}, path)
  } catch (cause) {
    if (KvError.isInstance(cause) && cause.code === 'KV_UNSUPPORTED_MODEL') throw cause
    return undefined
  }
}

/** Bytes that are still to be fetched. */
async function requireDisk(folder: RepositoryFolder, files: readonly RemoteFile[]): Promise<number> {
  let missing = 0
  for (const { etag, bytes } of files) {
    if ((await fileSize(folder.blob(etag))) === bytes) continue
    missing += bytes - ((await fileSize(`${folder.blob(etag)}.incomplete`)) ?? 0)
  }
  const disk = await statfs(folder.path)
  const free = disk.bavail * disk.bsize
  if (missing > free)
    throw kvError(
      'KV_DOWNLOAD',
      `The weights need ${formatBytes(missing)} more in ${folder.path}, but ${formatBytes(free)} are free.`,
      'Make room, or set HF_HOME to a folder on another disk.',
    )
  return missing
}
