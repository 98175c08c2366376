import { copyFile, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { randomUUID } from 'node:crypto'
import { isCommit } from './model-id.ts'

/**
 * One model's folder in the cache, laid out as the Python library does:
 *
 *     models--org--name/blobs/ETAG                  contents by hash; ETAG.incomplete while it is fetched
 *     models--org--name/snapshots/COMMIT/FILE       relative links into blobs
 *     models--org--name/refs/REVISION               the commit that a branch or tag stood for
 */
export class RepositoryFolder {
  readonly path: string

  constructor(cache: string, repository: string) {
    this.path = join(cache, `models--${repository.replace('/', '--')}`)
  }

  blob(etag: string): string {
    return join(this.path, 'blobs', etag)
  }

  snapshot(commit: string): string {
    return join(this.path, 'snapshots', commit)
  }

  /** The commit that a revision stood for when it was last fetched. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const text = await readFile(this.ref(revision), 'utf8').catch(() => '')
    return isCommit(text.trim()) ? text.trim() : undefined
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return
    await mkdir(dirname(this.ref(revision)), { recursive: true })
    const draft = `${this.ref(revision)}.${randomUUID()}`
    await writeFile(draft, commit)
    await rename(draft, this.ref(revision))
  }

  /** Makes FILE of a snapshot show a blob that is complete. */
  async link(commit: string, file: string, etag: string): Promise<void> {
    const path = join(this.snapshot(commit), file)
    const target = relative(dirname(path), this.blob(etag))
    if ((await readlink(path).catch(() => undefined)) === target) return
    await mkdir(dirname(path), { recursive: true })
    const draft = `${path}.${randomUUID()}`
    // Where links need rights that the user lacks (Windows), a copy does.
    await symlink(target, draft).catch(() => copyFile(this.blob(etag), draft))
    await rename(draft, path).catch(async (cause: unknown) => {
      await rm(draft, { force: true })
      throw cause
    })
  }

  private ref(revision: string): string {
    return join(this.path, 'refs', revision)
  }
}

/** Size of a file behind whatever links; undefined when there is none. */
export const fileSize = async (path: string): Promise<number | undefined> => {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true ? found.size : undefined
}
