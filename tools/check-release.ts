// Whether what would be published is whole: every platform package holds its engine for the right
// processor, core asks for exactly those packages, versions agree, and every package says where it comes
// from. `--packages-only` leaves the engines out.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { machineOf } from './elf.ts'
import { conclude, root, workspacePackages } from './workspace.ts'

const problems: string[] = []
const packagesOnly = process.argv.includes('--packages-only')
const published = workspacePackages().filter(({ manifest }) => !manifest.private)
/** Packages that bring a native file for each platform. */
for (const [owner, folder, file] of [
  ['@qpkv/core', 'packages/core/npm/', 'qpkv_core.node'],
  ['@qpkv/cuda', 'packages/cuda/npm/', 'qpkv_cuda.so'],
] as const) {
  const platforms = published.filter((one) => one.folder.startsWith(folder))
  const manifest = published.find(({ name }) => name === owner)?.manifest
  const wanted = Object.keys(manifest?.optionalDependencies ?? {}).sort()
  const offered = platforms.map(({ name }) => name).sort()
  if (wanted.join() !== offered.join())
    problems.push(`${owner} asks for ${wanted.join(', ')} but ${folder} has ${offered.join(', ')}`)
  for (const {
    name,
    folder: own,
    manifest: { version },
  } of platforms) {
    if (version !== manifest?.version)
      problems.push(`${name} is ${version} but ${owner} is ${manifest?.version ?? 'missing'}`)
    if (!packagesOnly) checkBinary(name, own, file)
  }
}
for (const { name, folder, manifest } of published) {
  if (manifest.repository?.directory !== folder)
    problems.push(`${name}: repository.directory must be ${folder}, or provenance is refused`)
  if (manifest.publishConfig?.access !== 'public')
    problems.push(`${name}: publishConfig.access must be public`)
}
// A release without a way to tell what changed is none.
if (!existsSync(join(root, '.changeset', 'config.json'))) problems.push('.changeset/config.json is missing')
conclude('release', problems)

function checkBinary(name: string, folder: string, binary: string): void {
  const file = join(root, folder, binary)
  if (!existsSync(file)) {
    problems.push(`${name}: ${readdirSync(join(root, folder)).join(', ')}, but no ${binary}`)
    return
  }
  const arch = name.includes('arm64') ? 'arm64' : 'x64'
  const machine = machineOf(readFileSync(file))
  const fits = name.includes('linux') ? machine === arch : machine === 'no ELF file'
  if (!fits) problems.push(`${name}: its engine is for another system (${machine})`)
}
