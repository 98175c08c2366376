import { formatBytes } from '@qpkv/spec'
import type { Findings } from './findings.ts'

/** The findings for people. */
export function findingsText(found: Findings): string {
  const { addon, opTables, modelCache } = found
  const lines: [string, string][] = [
    ['node', `${found.node} on ${found.platform}`],
    ['cpu', `${found.cpu.model}, ${found.cpu.cores} cores`],
    ['features', found.cpu.features.join(' ') || '-'],
    ['addon', 'error' in addon ? `missing: ${addon.error}` : `${addon.path} (${addon.kind})`],
    [
      'op tables',
      opTables.length > 0 ? `${opTables[0] ?? ''} is used; offered: ${opTables.join(', ')}` : '-',
    ],
    ['memory', `${formatBytes(found.memory.available)} available of ${formatBytes(found.memory.total)}`],
    ['gpu', found.gpu],
    ['models', `${modelCache.folder}: ${cacheText(found)}`],
    [
      'hub',
      `${modelCache.endpoint}${modelCache.offline ? ' (offline: HF_HUB_OFFLINE is set)' : ''}, ${modelCache.loggedIn ? 'with' : 'without'} a token`,
    ],
    ['weights', weightsText(found)],
    [
      'versions',
      Object.entries(found.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ]
  const text = lines.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join('')
  const advice = found.advice.map((line) => `- ${line}\n`).join('')
  return `${text}\n${advice || 'All is well.\n'}`
}

function cacheText({ modelCache: { exists, models, freeBytes } }: Findings): string {
  const content = exists ? models.join(', ') || 'no models' : 'not there yet'
  return freeBytes === undefined ? content : `${content}; ${formatBytes(freeBytes)} free on its disk`
}

function weightsText({ weights: { folder, files, bytes, limit } }: Findings): string {
  if (folder === undefined) return 'packed at every load (QPKV_CACHE is off)'
  return `${folder}: ${files} packed, ${formatBytes(bytes)} of at most ${formatBytes(limit)}`
}
