import { accessSync, constants, existsSync, readdirSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { hubSettings } from '@qpkv/core'
import { KvError } from '@qpkv/spec'

/** The Hugging Face cache, as `--model org/name` uses it. */
export interface ModelCache {
  readonly folder: string
  readonly exists: boolean
  /** `org/name` of every model that has a folder, complete or not. */
  readonly models: readonly string[]
  readonly freeBytes: number | undefined
  readonly endpoint: string
  readonly offline: boolean
  readonly loggedIn: boolean
  /** What is wrong with it, and what to do. */
  readonly problem?: string
}

export function examineModelCache(env: NodeJS.ProcessEnv = process.env): ModelCache {
  try {
    const { cache, endpoint, offline, token } = hubSettings(env)
    const exists = existsSync(cache)
    const nearest = nearestFolder(cache)
    return {
      folder: cache,
      exists,
      models: exists ? modelsIn(cache) : [],
      freeBytes: freeBytes(nearest),
      endpoint,
      offline,
      loggedIn: token !== undefined,
      ...(!isWritable(nearest) && {
        problem: `${nearest} cannot be written: set HF_HOME to a folder of yours.`,
      }),
    }
  } catch (cause) {
    if (!KvError.isInstance(cause)) throw cause
    const unknown = { folder: '-', exists: false, models: [], freeBytes: undefined, endpoint: '-' }
    const problem = `${cause.message} ${cause.hint ?? ''}`.trim()
    return { ...unknown, offline: false, loggedIn: false, problem }
  }
}

const modelsIn = (cache: string): string[] =>
  readdirSync(cache)
    .filter((name) => name.startsWith('models--'))
    .map((name) => name.slice('models--'.length).replace('--', '/'))
    .sort()

function nearestFolder(path: string): string {
  let folder = path
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

function freeBytes(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return undefined // some file systems do not tell
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
