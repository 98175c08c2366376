import { dataError } from '@qpkv/bench-kit'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { KvError } from '@qpkv/spec'
import { type Entry, openPromise, type ZipFile } from 'yauzl'

/** A set of `.jsonl` files: a folder, one file, or the official `data.zip`, which is read in place. */
export interface JsonlSource {
  /** Names of the files without ending, sorted; `hotpotqa`, `hotpotqa_e`, ... */
  readonly names: readonly string[]
  /** How the file of a name is called in messages. */
  fileOf(name: string): string
  /** Opens one file as a stream of its bytes. @throws KvError KV_DATA where there is none of this name. */
  open(name: string): Promise<Readable>
  close(): Promise<void>
}

const ending = '.jsonl'
const nameOf = (file: string): string => basename(file, ending)

function locate<T>(files: ReadonlyMap<string, T>, name: string, path: string): T {
  const file = files.get(name)
  if (file !== undefined) return file
  throw new KvError('KV_DATA', `${path} has no ${name}${ending}.`, {
    hint: `It has: ${[...files.keys()].sort().join(', ') || 'no .jsonl file at all; point to data.zip or to the folder that holds the .jsonl files'}.`,
  })
}

async function openZip(path: string): Promise<JsonlSource> {
  const broken = (error: unknown): KvError =>
    dataError(
      path,
      `the zip cannot be read (${String(error)})`,
      'Download data.zip again; it may be cut short.',
    )
  const entries = new Map<string, Entry>()
  let zip: ZipFile
  try {
    zip = await openPromise(path, { autoClose: false })
    for await (const entry of zip.eachEntry()) {
      const hidden = entry.fileName.startsWith('__MACOSX/') || basename(entry.fileName).startsWith('.')
      if (entry.fileName.endsWith(ending) && !hidden) entries.set(nameOf(entry.fileName), entry)
    }
  } catch (error) {
    throw broken(error)
  }
  return {
    names: [...entries.keys()].sort(),
    fileOf: (name) => `${path}:${entries.get(name)?.fileName ?? name + ending}`,
    open: async (name) => {
      const entry = locate(entries, name, path)
      try {
        return await zip.openReadStreamPromise(entry)
      } catch (error) {
        throw broken(error)
      }
    },
    close: () => Promise.resolve(zip.close()),
  }
}

function sourceOfFiles(files: ReadonlyMap<string, string>, path: string): JsonlSource {
  return {
    names: [...files.keys()].sort(),
    fileOf: (name) => files.get(name) ?? join(path, name + ending),
    open: (name) => Promise.resolve(createReadStream(locate(files, name, path))),
    close: () => Promise.resolve(),
  }
}

/** `.jsonl` files of a folder and of its `data` folder, where the official zip unpacks to. */
async function listFolder(path: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const folder of [join(path, 'data'), path]) {
    const listed = await readdir(folder).catch((): string[] => [])
    for (const file of listed) if (file.endsWith(ending)) files.set(nameOf(file), join(folder, file))
  }
  return files
}

/**
 * Opens the user's copy of LongBench v1: `data.zip`, a folder with it or with `.jsonl` files, or one `.jsonl` file.
 * @throws KvError KV_DATA where the path does not exist, is of another kind, or the zip is broken.
 */
export async function openJsonlSource(path: string): Promise<JsonlSource> {
  const found = await stat(path).catch(() => undefined)
  if (!found) {
    const hint = 'Point to the data.zip of the official distribution, or run: qpkv pull longbench'
    throw new KvError('KV_DATA', `Expected LongBench data at ${path} but there is nothing.`, { hint })
  }
  if (found.isDirectory()) {
    const files = await listFolder(path)
    const zip = join(path, 'data.zip')
    const packed = files.size === 0 && (await stat(zip).catch(() => undefined)) !== undefined
    return packed ? await openZip(zip) : sourceOfFiles(files, path)
  }
  if (path.endsWith('.zip')) return await openZip(path)
  if (path.endsWith(ending)) return sourceOfFiles(new Map([[nameOf(path), path]]), path)
  throw dataError(path, 'expected a .zip, a .jsonl file or a folder', 'Point to the official data.zip.')
}
