import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context, Model, OpenOptions } from '@qpkv/core'
import { KvError, type SpecInput } from '@qpkv/spec'

/** `KEY-TOKENS-IDS.context`: hashes of what has to agree and of the token ids. */
const NAME = /^([0-9a-f]{24})-(\d+)-([0-9a-f]{24})\.context$/

/**
 * Saved contexts in a folder under a limit of bytes; the one that was not used for longest goes first. A file's name says which
 * tokens it begins a prompt with, so nothing is read that does not fit. Processes may share the folder.
 */
export class PrefixFiles {
  private readonly folder: string
  private readonly limit: number
  private readonly model: Model
  private readonly opening: OpenOptions

  /** whenFull: of the contexts that are opened, see prefill(). */
  constructor(model: Model, folder: string, limitBytes: number, whenFull?: SpecInput | string) {
    this.model = model
    this.folder = folder
    this.limit = limitBytes
    this.opening = { onWarning: () => undefined, ...(whenFull !== undefined && { whenFull }) }
  }

  /** The saved context with most tokens that begins the prompt and has more than `least`; a file that is not sound is removed. */
  async find(
    ids: Int32Array,
    key: string,
    least: number,
  ): Promise<{ readonly context: Context; readonly tokens: number } | undefined> {
    const wanted = await this.keyOf(key)
    const fitting = (await this.names())
      .flatMap((name) => {
        const [, of, count, hash] = NAME.exec(name) ?? []
        const tokens = Number(count)
        return of === wanted && tokens > least && tokens <= ids.length ? [{ name, tokens, hash }] : []
      })
      .sort((a, b) => b.tokens - a.tokens)
    for (const { name, tokens, hash } of fitting) {
      if (hashOf(ids.subarray(0, tokens)) !== hash) continue
      const path = join(this.folder, name)
      try {
        const context = await this.model.open(path, this.opening)
        const now = new Date()
        await utimes(path, now, now).catch(() => undefined)
        return { context, tokens }
      } catch (cause) {
        // Where there is no room for it now, the prompt is read instead.
        if (KvError.isInstance(cause) && cause.code === 'KV_DATA') await rm(path, { force: true })
      }
    }
    return undefined
  }

  /** Saves a context unless it is there; says how many files went for it. A folder that cannot be written keeps nothing. */
  async put(ids: Int32Array, key: string, context: Context): Promise<number> {
    const name = `${await this.keyOf(key)}-${ids.length}-${hashOf(ids)}.context`
    if ((await this.names()).includes(name)) return 0
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 })
      await context.save(join(this.folder, name))
    } catch (cause) {
      if (KvError.isInstance(cause) && cause.code !== 'KV_BUSY') return 0
      throw cause
    }
    return this.makeRoom()
  }

  private async makeRoom(): Promise<number> {
    const files = await Promise.all(
      (await this.names()).map(async (name) => {
        const path = join(this.folder, name)
        const facts = await stat(path).catch(() => undefined)
        return { path, bytes: facts?.size ?? 0, used: facts?.mtimeMs ?? 0 }
      }),
    )
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    let removed = 0
    for (const file of files.sort((a, b) => a.used - b.used)) {
      if (bytes <= this.limit) break
      await rm(file.path, { force: true })
      bytes -= file.bytes
      removed++
    }
    return removed
  }

  private async names(): Promise<readonly string[]> {
    return (await readdir(this.folder).catch(() => [])).filter((name) => NAME.test(name))
  }

  /** What has to agree beside the tokens: model, precision, weights, spec. Templates and tokenizers show in the tokens. */
  private async keyOf(key: string): Promise<string> {
    const { fingerprint } = await this.model.identify()
    return digest(JSON.stringify([fingerprint, this.model.precision, this.model.weights.mode, key]))
  }
}

const digest = (content: string | Uint8Array) =>
  createHash('sha256').update(content).digest('hex').slice(0, 24)

const hashOf = (ids: Int32Array) => digest(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength))
