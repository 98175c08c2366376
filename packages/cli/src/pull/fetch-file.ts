import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KvError } from '@qpkv/spec'

export interface FetchFileOptions {
  readonly url: string
  readonly path: string
  /** Expected; where nobody knows it, the one that the server states (`x-linked-etag` of large files on the hub) counts. */
  readonly sha256?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (bytes: number, total: number | undefined) => void
}

export interface FetchedFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** `pinned`: equal to ours; `stated`: equal to the server's; `unchecked`: nobody said. */
  readonly checked: 'pinned' | 'stated' | 'unchecked'
  /** It was there already. */
  readonly cached: boolean
}

/**
 * Fetches a file into `path`: a partial one (`path.part`) is gone on with by a Range request, the whole is checked
 * by SHA-256 and only then renamed. A file that is there and has the expected hash is left alone.
 * @throws KvError KV_DOWNLOAD naming the address: not found, cut off, or with
 * another hash (the partial file is then deleted)
 */
export async function fetchFile(options: FetchFileOptions): Promise<FetchedFile> {
  const { url, path, sha256 } = options
  const there = await sizeOf(path)
  if (there !== undefined) {
    const found = await hashOf(path)
    if (sha256 === undefined || found === sha256)
      return {
        path,
        bytes: there,
        sha256: found,
        checked: sha256 === undefined ? 'unchecked' : 'pinned',
        cached: true,
      }
  }
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.part`
  const stated = await download(options, part)
  const found = await hashOf(part)
  const wanted = sha256 ?? stated
  if (wanted !== undefined && found !== wanted) {
    await rm(part, { force: true })
    throw failed(
      url,
      `has SHA-256 ${found}, expected ${wanted}`,
      'The file changed or was damaged; try again.',
    )
  }
  await rename(part, path)
  const checked = sha256 === undefined ? (stated === undefined ? 'unchecked' : 'stated') : 'pinned'
  return { path, bytes: (await sizeOf(path)) ?? 0, sha256: found, checked, cached: false }
}

const GO_ON = 'Run the same command again; it goes on from there.'

/** Writes or completes the partial file; returns the hash that the server states. */
async function download(options: FetchFileOptions, part: string): Promise<string | undefined> {
  const { url, signal, onProgress } = options
  const have = (await sizeOf(part)) ?? 0
  const { response, stated } = await request(url, have, signal)
  if (response.status === 416) return stated // nothing is left to fetch
  const resumed = response.status === 206
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  const total = Number.isNaN(length) ? undefined : length + (resumed ? have : 0)
  if (!response.body) throw failed(url, 'sent nothing')
  let bytes = resumed ? have : 0
  // Written chunk by chunk: what came before a break is on the disk.
  const file = await open(part, resumed ? 'a' : 'w')
  try {
    for await (const chunk of response.body) {
      await file.write(chunk as Uint8Array)
      bytes += (chunk as Uint8Array).length
      onProgress?.(bytes, total)
    }
  } catch (cause) {
    if (signal?.aborted) throw aborted(cause)
    throw failed(url, `broke off after ${bytes} bytes`, GO_ON, cause)
  } finally {
    await file.close()
  }
  if (total !== undefined && bytes !== total)
    throw failed(url, `ended after ${bytes} of ${total} bytes`, GO_ON)
  return stated
}

/** Follows redirects by hand: the hub states a large file's hash in the first answer, not in the last. */
async function request(url: string, have: number, signal: AbortSignal | undefined) {
  const headers = have > 0 ? { range: `bytes=${have}-` } : {}
  let next = url
  let stated: string | undefined
  for (let hop = 0; hop < 8; hop++) {
    let response: Response
    try {
      response = await fetch(next, { headers, redirect: 'manual', ...(signal ? { signal } : {}) })
    } catch (cause) {
      if (signal?.aborted) throw aborted(cause)
      throw failed(
        url,
        `cannot be reached (${(cause as Error).message})`,
        'Check the network, or give --from URL of a mirror.',
        cause,
      )
    }
    stated ??= /^"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1]
    const location = response.headers.get('location')
    if (response.status >= 300 && response.status < 400 && location !== null) {
      next = new URL(location, next).href
      continue
    }
    if (response.status === 200 || response.status === 206 || (response.status === 416 && have > 0))
      return { response, stated }
    throw failed(
      url,
      `answers with status ${response.status}`,
      'The file may have moved; see the README of the benchmark for its place.',
    )
  }
  throw failed(url, 'redirects without end')
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

const sizeOf = async (path: string): Promise<number | undefined> =>
  (await stat(path).catch(() => undefined))?.size

const failed = (url: string, problem: string, hint?: string, cause?: unknown) =>
  new KvError('KV_DOWNLOAD', `${url} ${problem}.`, { hint, cause })

const aborted = (cause: unknown) =>
  new KvError('KV_ABORTED', 'Cancelled; what was fetched stays and is gone on with.', { cause })
