import { availableMemory, type DownloadPlan } from '@qpkv/core'
import { formatBytes, fullCache } from '@qpkv/spec'
import { fittingModels, WEIGHT_WAYS } from './fitting-models.ts'

/** Tokens of the cache that the text speaks of. */
const TOKENS = 8192

/** What is about to be fetched, whether it fits this machine, and how to do without the network; several lines. */
export function downloadText(plan: DownloadPlan, free = availableMemory()): string {
  const { repository, folder, files, bytes, missingBytes, config } = plan
  const lines = [
    `${repository}: ${formatBytes(missingBytes)} to fetch (${files} weight file${files === 1 ? '' : 's'}, ${formatBytes(bytes)} in all) into ${folder}`,
  ]
  if (config) {
    const exact = fullCache(config, TOKENS).bytes
    lines.push(
      `memory: weights ${formatBytes(bytes)} of ${formatBytes(free)} that are free; a cache of ${TOKENS} tokens takes ${formatBytes(exact)}, about ${formatBytes(Math.round(exact / 3.4))} with --quantize kivi:bits=4`,
    )
    if (bytes > free) {
      const way = WEIGHT_WAYS.find(([, share]) => bytes * share <= free)
      lines.push(
        way
          ? `it does not fit as it is; ${way[0]} takes about ${formatBytes(Math.round(bytes * way[1]))}`
          : `it does not fit; ${fittingModels(free)}`,
      )
    }
  }
  lines.push(
    'offline: fetch it once, or copy that folder from another machine, and set HF_HUB_OFFLINE=1; without a network --model reference answers',
  )
  return `${lines.join('\n')}\n`
}
