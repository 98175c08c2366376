import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { refuse } from './refuse.ts'
import type { Place } from './saved-header.ts'

/*
 * A saved context:
 *
 *   magic     8 bytes
 *   length    uint32, of the header
 *   checksum  uint32, CRC-32 of the header
 *   header    JSON (saved-header.ts), padded with spaces
 *   sections  logits, then layers, each from a multiple of 64 on
 *
 * Numbers are little endian. It is written beside its place and renamed, so that its name always stands for a whole file.
 */

const MAGIC = Buffer.from('qpkvctx1', 'latin1')
const HEAD_BYTES = 16
const ALIGN = 64
/** Nobody is at a draft that has not been written to for so long. */
const DRAFT_LIFE_MS = 3_600_000
/** Of JSON; ids of a million tokens take 7. */
const MOST_HEADER_BYTES = 256 * 2 ** 20

const alignUp = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** A file that is being written: sections one after another, the header last. */
export class ContextFileWriter {
  private readonly path: string
  private readonly draft: string
  private readonly file: FileHandle
  private readonly headerRoom: number
  private end: number

  private constructor(path: string, draft: string, file: FileHandle, headerRoom: number) {
    this.path = path
    this.draft = draft
    this.file = file
    this.headerRoom = headerRoom
    this.end = alignUp(HEAD_BYTES + headerRoom)
  }

  /** headerRoom: bytes that the header takes at most. */
  static async create(path: string, headerRoom: number): Promise<ContextFileWriter> {
    const prefix = `.${basename(path)}.`
    await removeOldDrafts(dirname(path), prefix)
    const draft = join(dirname(path), `${prefix}${randomBytes(6).toString('hex')}.draft`)
    return new ContextFileWriter(path, draft, await open(draft, 'wx', 0o600), headerRoom)
  }

  async add(bytes: Uint8Array): Promise<Place> {
    const place = { offset: this.end, bytes: bytes.length }
    await writeAll(this.file, bytes, place.offset)
    this.end = alignUp(place.offset + place.bytes)
    return place
  }

  /** Writes the header, and gives the file its name. */
  async finish(header: unknown): Promise<void> {
    const text = Buffer.from(JSON.stringify(header))
    if (text.length > this.headerRoom)
      throw new Error(`the header takes ${text.length} bytes, more than its room of ${this.headerRoom}`)
    const json = Buffer.alloc(this.headerRoom, ' ')
    text.copy(json)
    const head = Buffer.alloc(HEAD_BYTES)
    MAGIC.copy(head)
    head.writeUInt32LE(json.length, 8)
    head.writeUInt32LE(crc32(json), 12)
    await writeAll(this.file, Buffer.concat([head, json]), 0)
    await this.file.truncate(this.end)
    await this.file.sync()
    await this.file.close()
    await rename(this.draft, this.path)
    await syncFolder(dirname(this.path))
  }

  /** Leaves nothing behind; safe after finish(). */
  async discard(): Promise<void> {
    await this.file.close().catch(() => undefined)
    await rm(this.draft, { force: true })
  }
}

/** What processes have left that were ended while they wrote to the same place. */
async function removeOldDrafts(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.draft$/.test(name.slice(prefix.length))) continue
    const path = join(folder, name)
    const facts = await stat(path).catch(() => undefined)
    if (facts && Date.now() - facts.mtimeMs > DRAFT_LIFE_MS) await rm(path, { force: true })
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

/** So that the name survives a loss of power; not every system syncs folders. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

/** A file that is being read; nothing in it is trusted. */
export class ContextFileReader {
  /** Parsed JSON, as yet unchecked. */
  readonly header: unknown
  private readonly file: FileHandle

  private constructor(file: FileHandle, header: unknown) {
    this.file = file
    this.header = header
  }

  static async open(path: string): Promise<ContextFileReader> {
    // A pipe that nobody writes to must not be waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const facts = await file.stat()
      if (!facts.isFile()) refuse('it is no file')
      return new ContextFileReader(file, await readHeader(file, facts.size))
    } catch (cause) {
      await file.close()
      throw cause
    }
  }

  /** Holds that the sections lie behind one another and end where the file does. */
  async checkPlaces(places: readonly Place[]): Promise<void> {
    const { size } = await this.file.stat()
    let end = places[0]?.offset ?? 0
    for (const { offset, bytes } of places) {
      if (offset % ALIGN !== 0 || offset !== end || offset < HEAD_BYTES)
        refuse('its parts do not lie where they should')
      end = alignUp(offset + bytes)
    }
    if (end !== size) refuse(`it has ${size} bytes instead of ${end}`)
  }

  async read({ offset, bytes }: Place): Promise<Uint8Array> {
    return readAll(this.file, offset, bytes)
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

async function readHeader(file: FileHandle, size: number): Promise<unknown> {
  if (size < HEAD_BYTES) refuse('it ends too early')
  const head = Buffer.from(await readAll(file, 0, HEAD_BYTES))
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) refuse('it holds something else')
  const length = head.readUInt32LE(8)
  if (length > size - HEAD_BYTES || length > MOST_HEADER_BYTES) refuse('it ends too early')
  const json = Buffer.from(await readAll(file, HEAD_BYTES, length))
  if (crc32(json) !== head.readUInt32LE(12)) refuse('its header is damaged')
  try {
    return JSON.parse(json.toString('utf8')) as unknown
  } catch {
    return refuse('its header is no JSON')
  }
}

async function readAll(file: FileHandle, at: number, count: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(count) // alone in its memory, and overwritten whole
  for (let done = 0; done < count;) {
    const { bytesRead } = await file.read(bytes, done, count - done, at + done)
    if (bytesRead === 0) refuse('it ends too early')
    done += bytesRead
  }
  return bytes
}
