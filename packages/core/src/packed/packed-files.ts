import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Packed weights of one model in the cache folder. */
export interface PackedWeights {
  readonly path: string
  /** The model's folder or file, and how its weights were packed; undefined where the file does not say. */
  readonly of: PackedInfo | undefined
  readonly bytes: number
  readonly lastUsed: Date
}

/** What a packed file is of, in its header. */
export interface PackedInfo {
  readonly key: string
  readonly model: string
  readonly precision: string
  readonly weights: string
}

const suffix = '.packed'
export const packedName = (key: string) => `${key}${suffix}`

/** Files of the folder, used last first; none where it does not exist. */
export async function listPacked(folder: string): Promise<PackedWeights[]> {
  const files: PackedWeights[] = []
  for (const name of await namesIn(folder)) {
    if (!name.endsWith(suffix)) continue
    const path = join(folder, name)
    const facts = await stat(path).catch(() => undefined) // another process may clear meanwhile
    if (facts) files.push({ path, of: await readInfo(path), bytes: facts.size, lastUsed: facts.mtime })
  }
  return files.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime())
}

/** Removes all packed weights, and what killed processes have left. Models that use them go on. */
export async function clearPacked(folder: string): Promise<PackedWeights[]> {
  const files = await listPacked(folder)
  for (const { path } of files) await rm(path, { force: true })
  await removeLeftovers(folder)
  return files
}

/** Makes room for `bytes` more under the limit: those used longest ago go. False where they never fit. */
export async function makeRoom(folder: string, bytes: number, limit: number): Promise<boolean> {
  await removeLeftovers(folder)
  if (bytes > limit) return false
  const files = await listPacked(folder)
  let total = files.reduce((sum, file) => sum + file.bytes, bytes)
  for (const { path, bytes: freed } of files.reverse()) {
    if (total <= limit) break
    await rm(path, { force: true })
    total -= freed
  }
  return true
}

/** Unfinished files, `KEY.packed.PID.RANDOM`, of processes that are gone. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    const [, pid] = /\.packed\.(\d+)\.\w+$/.exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM' // there, and somebody else's
  }
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

/** Bytes of the header's fixed part, and where it says how long the text behind it is (native/engine/packed_file.cc). */
const FIXED_BYTES = 32
const INFO_LENGTH_AT = 12
const MOST_INFO = 1 << 16

async function readInfo(path: string): Promise<PackedInfo | undefined> {
  try {
    const file = await open(path)
    try {
      const fixed = Buffer.alloc(FIXED_BYTES)
      await file.read(fixed, 0, FIXED_BYTES, 0)
      const info = Buffer.alloc(Math.min(MOST_INFO, fixed.readUInt32LE(INFO_LENGTH_AT)))
      await file.read(info, 0, info.length, FIXED_BYTES)
      return JSON.parse(info.toString()) as PackedInfo
    } finally {
      await file.close()
    }
  } catch {
    return undefined // not one of ours, or damaged: the engine finds that out when it is used
  }
}
