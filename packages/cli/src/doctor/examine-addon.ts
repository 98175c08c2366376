import { loadAddon } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
import type { Findings } from './findings.ts'

/** Loads the addon, or says why it cannot be loaded. */
export function examineAddon(): {
  platform: string
  addon: Findings['addon']
  tables: string[]
  features: string[]
} {
  const platform = `${process.platform} ${process.arch}${libc()}`
  try {
    const { addon, path, kind } = loadAddon()
    return { platform, addon: { path, kind }, tables: addon.opTables(), features: addon.cpuFeatures() }
  } catch (cause) {
    const hint = KvError.isInstance(cause) ? cause.hint : undefined
    return {
      platform,
      addon: { error: (cause as Error).message, ...(hint !== undefined && { hint }) },
      tables: [],
      features: [],
    }
  }
}

function libc(): string {
  if (process.platform !== 'linux') return ''
  const report: typeof process.report & { excludeNetwork?: boolean } = process.report
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ? ` glibc ${header.glibcVersionRuntime}` : ' musl'
}
