import { spawnSync } from 'node:child_process'

/** Processor that an ELF file is for, in Node's words. */
export function machineOf(file: Uint8Array): string {
  if (Buffer.from(file.subarray(0, 4)).toString('latin1') !== '\x7fELF') return 'no ELF file'
  const machine = (file[18] ?? 0) | ((file[19] ?? 0) << 8)
  return { 62: 'x64', 183: 'arm64' }[machine] ?? `machine ${machine}`
}

/** The oldest glibc that has every symbol a file needs, as `2.28`; undefined when it needs none. Asks binutils' objdump. */
export function glibcFloor(path: string): string | undefined {
  const { status, stdout, stderr } = spawnSync('objdump', ['-T', path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) throw new Error(`objdump -T ${path}: ${stderr}`)
  const versions = [...stdout.matchAll(/GLIBC_(\d+(?:\.\d+)+)/g)].map((match) => match[1] ?? '')
  return versions.sort(compareVersions).at(-1)
}

/** Negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
