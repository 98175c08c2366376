import { kvError } from '../errors.ts'
import { isNetworkError, reason, Unreachable, type HubClient } from './hub-client.ts'
import { isCommit, type ModelId } from './model-id.ts'

/** A file of a repository at one commit. */
export interface RemoteFile {
  readonly name: string
  /** Name of the blob: SHA-256 of large files, git's SHA-1 of small ones; other servers may name them otherwise. */
  readonly etag: string
  readonly bytes: number
}

export interface RemoteListing {
  readonly commit: string
  readonly names: ReadonlySet<string>
  file(name: string): Promise<RemoteFile>
}

interface Sibling {
  readonly rfilename?: unknown
  readonly size?: unknown
  readonly blobId?: unknown
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown }
}

// An etag becomes a file name in the cache.
const ETAG = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/

/** Asks what a revision stands for and which files it has. @throws KV_DOWNLOAD, Unreachable. */
export async function listFiles(
  client: HubClient,
  { repository, revision }: ModelId,
): Promise<RemoteListing> {
  const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
  const { response } = await client.request(path)
  const broken = (what: string) =>
    kvError(
      'KV_DOWNLOAD',
      `Expected the description of ${repository} at ${client.settings.endpoint}, but ${what}.`,
      'Check HF_ENDPOINT.',
    )
  const answer = (await response.json().catch((cause: unknown) => {
    client.throwIfAborted()
    if (isNetworkError(cause))
      throw new Unreachable(`the connection to ${client.settings.endpoint} was cut (${reason(cause)})`)
    throw broken('the answer is no JSON')
  })) as { sha?: unknown; siblings?: unknown } | null
  const commit = answer?.sha
  if (typeof commit !== 'string' || !isCommit(commit)) throw broken('it names no commit')
  if (!Array.isArray(answer?.siblings)) throw broken('it lists no files')
  const siblings = new Map<string, Sibling>()
  for (const sibling of answer.siblings as (Sibling | null)[])
    if (typeof sibling?.rfilename === 'string') siblings.set(sibling.rfilename, sibling)
  return {
    commit,
    names: new Set(siblings.keys()),
    file: (name) => describeFile(client, repository, commit, name, siblings.get(name)),
  }
}

/** Address of a file's content. */
export const filePath = (repository: string, commit: string, name: string): string =>
  `/${repository}/resolve/${commit}/${encodeURIComponent(name)}`

async function describeFile(
  client: HubClient,
  repository: string,
  commit: string,
  name: string,
  sibling: Sibling | undefined,
): Promise<RemoteFile> {
  const listed = { etag: sibling?.lfs?.sha256 ?? sibling?.blobId, bytes: sibling?.lfs?.size ?? sibling?.size }
  if (isFile(listed)) return { name, ...listed }
  // Mirrors may list names alone; the headers of the file itself say the rest.
  const answer = await client.request(filePath(repository, commit, name), { method: 'HEAD' })
  const etag = (answer.header('x-linked-etag') ?? answer.header('etag'))
    ?.replace(/^W\//, '')
    .replaceAll('"', '')
  const asked = {
    etag,
    bytes: Number(answer.header('x-linked-size') ?? answer.header('content-length') ?? NaN),
  }
  if (isFile(asked)) return { name, ...asked }
  throw kvError(
    'KV_DOWNLOAD',
    `Expected size and checksum of ${name} from ${client.settings.endpoint} but received ${JSON.stringify(asked)}.`,
    'Check HF_ENDPOINT.',
  )
}

const isFile = (file: { etag: unknown; bytes: unknown }): file is { etag: string; bytes: number } =>
  typeof file.etag === 'string' &&
  ETAG.test(file.etag) &&
  Number.isSafeInteger(file.bytes) &&
  Number(file.bytes) >= 0
