import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { kvError } from '../errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where models come from and where they are kept; the variables are those of the Python library. */
export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string
  /** Folder of `models--org--name` folders. */
  readonly cache: string
  readonly token: string | undefined
  readonly offline: boolean
}

/** Reads HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN (or the file that the Python library's login wrote) and HF_HUB_OFFLINE. */
export function hubSettings(env: Environment = process.env): HubSettings {
  const home = env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface')
  const endpoint = (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '')
  if (!/^https?:\/\/[^\s/]+/.test(endpoint))
    throw kvError(
      'KV_DOWNLOAD',
      `Expected an http or https address for HF_ENDPOINT but received ${JSON.stringify(endpoint)}.`,
      'Correct or unset HF_ENDPOINT.',
    )
  return {
    endpoint,
    cache: env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub'),
    token: env['HF_TOKEN']?.trim() || tokenFile(env['HF_TOKEN_PATH'] || join(home, 'token')),
    offline: /^(1|on|yes|true)$/i.test(env['HF_HUB_OFFLINE'] ?? ''),
  }
}

function tokenFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    return undefined // nobody logged in; public models need no token
  }
}
