import { arch, cpus, platform, release, totalmem } from 'node:os'

/** Where a result was measured. */
export interface MachineFacts {
  readonly platform: string
  readonly arch: string
  readonly release: string
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
}

export function machineFacts(): MachineFacts {
  const cores = cpus()
  return {
    platform: platform(),
    arch: arch(),
    release: release(),
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryBytes: totalmem(),
  }
}

/** Node's version beside the given ones (packages, op table). */
export const versionFacts = (
  versions: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => ({
  ...versions,
  node: process.versions.node,
})
