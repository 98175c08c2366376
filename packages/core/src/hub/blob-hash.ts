import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { RemoteFile } from './remote-files.ts'

/** A running checksum of the kind that the etag is; undefined where the etag is no checksum. */
export function startHash({ etag, bytes }: RemoteFile): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash('sha256')
  // Git names a blob by its type, its size and its content.
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash('sha1').update(`blob ${bytes}\0`)
  return undefined
}

/** Adds the first part of a file, which an earlier attempt fetched. */
export async function hashFile(hash: Hash | undefined, path: string): Promise<void> {
  if (!hash) return
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
}
