import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kvError } from '../errors.ts'
import { cachedModel } from './cached-model.ts'
import type { DownloadOptions } from './download-model.ts'
import { HubClient, defaultRetry } from './hub-client.ts'
import { hubSettings } from './hub-settings.ts'
import { parseModelId } from './model-id.ts'
import { SINGLE_WEIGHTS, WEIGHT_INDEX, shardsOf } from './needed-files.ts'
import { filePath, listFiles, type RemoteFile } from './remote-files.ts'
import { RepositoryFolder } from './repository-folder.ts'

/** What the headers of a model say, without its weights. */
export interface HeadersFolder {
  /** Configuration as it is; safetensors with their header alone, their data a hole of the right length. */
  readonly path: string
  dispose(): Promise<void>
}

const LENGTH_BYTES = 8
/** The format's own limit. */
const MOST_HEADER_BYTES = 100_000_000

/**
 * Fetches config.json and the headers of a hub's model into a temporary folder: a few hundred KB of a model of any size. A
 * model that the Hugging Face cache holds is taken from there.
 * @throws KV_DOWNLOAD, KV_ABORTED.
 */
export async function fetchHeaders(name: string, options: DownloadOptions = {}): Promise<HeadersFolder> {
  const id = parseModelId(name)
  if (!id)
    throw kvError(
      'KV_DOWNLOAD',
      `Expected org/name or org/name@revision but received ${JSON.stringify(name)}.`,
    )
  const settings = hubSettings(options.env)
  const cached = await cachedModel(new RepositoryFolder(settings.cache, id.repository), id)
  if (cached !== undefined) return { path: cached, dispose: () => Promise.resolve() }
  if (settings.offline)
    throw kvError('KV_DOWNLOAD', `HF_HUB_OFFLINE is set and ${name} is not in ${settings.cache} in full.`)
  const client = new HubClient(settings, options.retry ?? defaultRetry, options.signal)
  const listing = await listFiles(client, id)
  const read = async (file: string, range?: string): Promise<Buffer> => {
    const headers = range === undefined ? {} : { headers: { range: `bytes=${range}` } }
    const { response } = await client.request(filePath(id.repository, listing.commit, file), headers)
    if (range !== undefined && response.status !== 206)
      throw kvError(
        'KV_DOWNLOAD',
        `Expected a part of ${file} from ${settings.endpoint} but received status ${response.status}.`,
        'Check HF_ENDPOINT: its server must know range requests.',
      )
    return Buffer.from(await response.arrayBuffer())
  }
  const path = await mkdtemp(join(tmpdir(), 'qpkv-headers-'))
  const dispose = () => rm(path, { recursive: true, force: true })
  try {
    for (const small of ['config.json', WEIGHT_INDEX])
      if (listing.names.has(small)) await writeFile(join(path, small), await read(small))
    const single = listing.names.has(SINGLE_WEIGHTS)
    const shards = single ? [SINGLE_WEIGHTS] : shardsOf(await readIndex(() => read(WEIGHT_INDEX)))
    if (!shards)
      throw kvError(
        'KV_DOWNLOAD',
        `Expected safetensors in ${name} but it lists none.`,
        'Choose a model that has them.',
      )
    for (const shard of shards) await writeSkeleton(path, await listing.file(shard), read)
    return { path, dispose }
  } catch (cause) {
    await dispose()
    throw cause
  }
}

const readIndex = async (read: () => Promise<Buffer>): Promise<unknown> =>
  JSON.parse((await read()).toString())

/** The file's header, and a hole where its data are. */
async function writeSkeleton(
  folder: string,
  { name, bytes }: RemoteFile,
  read: (file: string, range: string) => Promise<Buffer>,
): Promise<void> {
  const length = Number((await read(name, `0-${LENGTH_BYTES - 1}`)).readBigUInt64LE())
  if (!(length <= MOST_HEADER_BYTES))
    throw kvError('KV_DOWNLOAD', `${name} claims a header of ${length} bytes.`, 'It is no safetensors file.')
  const header = await read(name, `0-${LENGTH_BYTES + length - 1}`)
  const file = await open(join(folder, name), 'wx')
  try {
    await file.write(header)
    await file.truncate(bytes)
  } finally {
    await file.close()
  }
}
