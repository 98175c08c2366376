import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { JsonObject } from '@qpkv/spec'
import { lockFile, type FileLock } from './lock-file.ts'
import { parseLines } from './read-results.ts'

/** `resume`: go on with the file, or begin. `replace`: begin again; what the file held is gone. */
export type OpenMode = 'resume' | 'replace'

/**
 * A file of JSON lines that is only appended to, under a lock. A process that is killed leaves at most one broken last line, which is cut off
 * when the file is opened again.
 */
export class LineFile {
  readonly path: string
  readonly #lock: FileLock
  readonly #file: number

  private constructor(path: string, lock: FileLock, file: number) {
    this.path = path
    this.#lock = lock
    this.#file = file
  }

  /**
   * @param read is given the sound lines of what is there, before anything is changed; what it throws leaves the file as it is
   * @returns the file and what `read` made of its lines
   * @throws KvError KV_RESULT_LOCKED (another process writes it), KV_RESULT_FILE (a line before the last is broken)
   */
  static open<Held>(
    path: string,
    mode: OpenMode,
    read: (lines: readonly JsonObject[]) => Held,
  ): { readonly file: LineFile; readonly held: Held } {
    mkdirSync(dirname(path), { recursive: true })
    const lock = lockFile(path)
    try {
      const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
      const { lines, soundBytes, totalBytes } = parseLines(content, path)
      const held = read(lines)
      if (mode === 'replace') rmSync(path, { force: true })
      else if (soundBytes < totalBytes) truncateSync(path, soundBytes)
      return { file: new LineFile(path, lock, openSync(path, 'a')), held }
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** All in one write. */
  write(lines: readonly object[]): void {
    if (lines.length === 0) return
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at)
  }

  close(): void {
    closeSync(this.#file)
    this.#lock.release()
  }
}
