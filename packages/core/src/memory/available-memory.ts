import { existsSync, readFileSync } from 'node:fs'
import { freemem } from 'node:os'

/**
 * Bytes that this process may still take: what the system has free, or less where a container limits it. File caches count as free,
 * since the system gives them up.
 */
export function availableMemory(root = '/sys/fs/cgroup'): number {
  return Math.min(freemem(), cgroupRoom(root) ?? Infinity)
}

/** Room under a Linux control group's limit (version 2, then 1); undefined where there is none. */
export function cgroupRoom(root: string): number | undefined {
  const layouts = [
    { limit: 'memory.max', used: 'memory.current', stat: 'memory.stat', cache: 'inactive_file' },
    {
      limit: 'memory/memory.limit_in_bytes',
      used: 'memory/memory.usage_in_bytes',
      stat: 'memory/memory.stat',
      cache: 'total_inactive_file',
    },
  ]
  for (const { limit, used, stat, cache } of layouts) {
    const bytes = readNumber(`${root}/${limit}`)
    const taken = readNumber(`${root}/${used}`)
    if (bytes === undefined || taken === undefined) continue
    return Math.max(0, bytes - taken + readStat(`${root}/${stat}`, cache))
  }
  return undefined
}

function readText(path: string): string | undefined {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  } catch {
    return undefined // not ours to read: the system's own figure holds
  }
}

/** A byte count; "max" (no limit) and absurdly large limits are undefined. */
function readNumber(path: string): number | undefined {
  const value = Number(readText(path)?.trim())
  return Number.isFinite(value) && value < 2 ** 60 ? value : undefined
}

function readStat(path: string, name: string): number {
  const line = readText(path)
    ?.split('\n')
    .find((text) => text.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}
