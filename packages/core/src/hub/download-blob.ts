import { mkdir, open, rename, rm, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { kvError } from '../errors.ts'
import { hashFile, startHash } from './blob-hash.ts'
import { withLock } from './blob-lock.ts'
import { isNetworkError, reason, Unreachable, type HubClient } from './hub-client.ts'
import type { RemoteFile } from './remote-files.ts'
import { fileSize } from './repository-folder.ts'

/** What to fetch and where to put it. */
export interface BlobRequest {
  readonly file: RemoteFile
  /** Address on the hub, beginning with a slash. */
  readonly url: string
  /** Path of the finished blob. */
  readonly blob: string
  /** Bytes of the file that are here, after every piece. */
  readonly onBytes: (bytes: number) => void
}

/**
 * Fetches one blob unless it is there. What arrives is kept in BLOB.incomplete and continued by the next attempt,
 * of this run or a later one; only a file of the promised size and checksum gets the blob's name.
 * @throws KV_DOWNLOAD, KV_ABORTED, Unreachable.
 */
export async function downloadBlob(client: HubClient, request: BlobRequest): Promise<void> {
  const { blob, file, onBytes } = request
  await mkdir(dirname(blob), { recursive: true })
  const done = async () => (await fileSize(blob)) === file.bytes
  if (!(await done()))
    await withLock(
      `${blob}.lock`,
      (ms) => client.pause(ms),
      async () => {
        if (!(await done())) await fetchWhole(client, request)
      },
    )
  onBytes(file.bytes)
}

async function fetchWhole(client: HubClient, request: BlobRequest): Promise<void> {
  const { file, blob } = request
  const incomplete = `${blob}.incomplete`
  let cuts = 0
  let wrong = 0
  for (;;) {
    const before = (await fileSize(incomplete)) ?? 0
    let outcome = await fetchRest(client, request, incomplete, before)
    if (outcome === 'whole') {
      // What was hashed came from the network; the file could hold more if another program wrote to it.
      if ((await fileSize(incomplete)) === file.bytes) break
      outcome = 'wrong'
    }
    if (outcome === 'wrong') {
      await rm(incomplete, { force: true })
      if (++wrong < 2) continue // an old, broken beginning may have been to blame
      throw kvError(
        'KV_DOWNLOAD',
        `${file.name} arrived twice with another checksum or size than ${client.settings.endpoint} promised (${file.etag}, ${file.bytes} bytes).`,
        'Try again later, or another HF_ENDPOINT.',
      )
    }
    const after = (await fileSize(incomplete)) ?? 0
    cuts = after > before ? 1 : cuts + 1
    if (cuts >= client.retry.attempts)
      throw new Unreachable(
        `the connection to ${client.settings.endpoint} was cut (${outcome.cut}) with ${after} of ${file.bytes} bytes of ${file.name} here`,
      )
    await client.pause(client.retry.delayMs * 2 ** (cuts - 1))
  }
  await rename(incomplete, blob)
}

type Outcome = 'whole' | 'wrong' | { readonly cut: string }

/** One request for what is missing after the first `have` bytes. */
async function fetchRest(
  client: HubClient,
  { file, url, onBytes }: BlobRequest,
  path: string,
  have: number,
): Promise<Outcome> {
  if (have > file.bytes) return 'wrong'
  const hash = startHash(file)
  let at = have
  if (have < file.bytes || have === 0) {
    const idle = new AbortController()
    const answer = await client.request(url, {
      signal: idle.signal,
      ...(have > 0 && { headers: { range: `bytes=${have}-` } }),
    })
    const { response } = answer
    if (response.status === 416) return 'wrong'
    const resumed = response.status === 206 && contentStart(response) === have
    if (response.status === 206 && !resumed) {
      await response.body?.cancel()
      return 'wrong'
    }
    if (!resumed && have > 0) await truncate(path, 0)
    at = resumed ? have : 0
    if (resumed) await hashFile(hash, path)
    onBytes(at)
    const out = await open(path, resumed ? 'a' : 'w')
    let timer = setTimeout(() => {
      idle.abort()
    }, client.retry.idleMs)
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        timer.refresh()
        at += chunk.length
        if (at > file.bytes) return 'wrong'
        hash?.update(chunk)
        await out.write(chunk)
        onBytes(at)
      }
    } catch (cause) {
      client.throwIfAborted()
      if (isNetworkError(cause)) return { cut: reason(cause) }
      throw fullDisk(cause, file)
    } finally {
      clearTimeout(timer)
      // On the disk before it gets its name: a power cut must not leave a blob with holes.
      await out.sync().catch(() => undefined)
      await out.close()
    }
    if (at < file.bytes) return { cut: 'it ended early' }
  } else await hashFile(hash, path)
  return hash === undefined || hash.digest('hex') === file.etag ? 'whole' : 'wrong'
}

function contentStart(response: Response): number | undefined {
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
  return start === undefined ? undefined : Number(start)
}

function fullDisk(cause: unknown, file: RemoteFile): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') return cause
  return kvError(
    'KV_DOWNLOAD',
    `The disk is full: ${file.name} needs ${file.bytes} bytes.`,
    'Make room, or set HF_HOME to a folder on another disk; the download continues where it stopped.',
  )
}
