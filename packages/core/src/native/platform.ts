/** What decides which prebuilt addon fits. */
export interface Platform {
  readonly os: string
  readonly arch: string
  /** C library on Linux; undefined elsewhere. */
  readonly libc?: 'gnu' | 'musl'
}

/** The platform of this process. */
export function currentPlatform(): Platform {
  const base = { os: process.platform, arch: process.arch }
  return process.platform === 'linux' ? { ...base, libc: linuxLibc() } : base
}

/** Name of the package that holds the prebuilt addon, such as `@qpkv/core-linux-x64-gnu`. */
export const platformPackage = ({ os, arch, libc }: Platform): string =>
  `@qpkv/core-${[os, arch, ...(libc ? [libc] : [])].join('-')}`

function linuxLibc(): 'gnu' | 'musl' {
  // Node's report names the glibc it runs on; on musl the field is absent. The network part of the report is slow and not needed.
  const report: typeof process.report & { excludeNetwork?: boolean } = process.report
  report.excludeNetwork = true
  const header = (report.getReport() as { header?: { glibcVersionRuntime?: string } }).header
  return header?.glibcVersionRuntime ? 'gnu' : 'musl'
}
