import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseBudgetText } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Environment } from '../hub/hub-settings.ts'

/** Where packed weights are kept between loads. */
export interface PackedSettings {
  /** undefined: nowhere. */
  readonly folder: string | undefined
  /** Bytes that the folder may hold; those used longest ago go first. */
  readonly limit: number
}

const DEFAULT_LIMIT = 20 * 2 ** 30

/**
 * Reads QPKV_CACHE (a folder, or `off`; default: `qpkv` in XDG_CACHE_HOME or ~/.cache) and QPKV_CACHE_LIMIT (`20GiB`). `given`: a
 * folder that takes QPKV_CACHE's place.
 */
export function packedSettings(given?: string, env: Environment = process.env): PackedSettings {
  const home = env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const cache = given ?? (env['QPKV_CACHE'] || join(home, 'qpkv'))
  return {
    folder: cache === 'off' ? undefined : join(cache, 'packed'),
    limit: readLimit(env['QPKV_CACHE_LIMIT']),
  }
}

function readLimit(text: string | undefined): number {
  if (!text) return DEFAULT_LIMIT
  try {
    const budget = parseBudgetText(text)
    if ('bytes' in budget && typeof budget.bytes === 'number') return budget.bytes
  } catch {
    // said below
  }
  throw kvError(
    'KV_INVALID_OPTION',
    `Expected bytes such as 20GiB for QPKV_CACHE_LIMIT but received ${JSON.stringify(text)}.`,
    'Correct or unset QPKV_CACHE_LIMIT.',
  )
}
