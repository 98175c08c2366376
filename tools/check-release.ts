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
const platforms = published.filter(({ folder }) => folder.startsWith('packages/core/npm/'))
const core = published.find(({ name }) => name === '@qpkv/core')

const wanted = Object.keys(core?.manifest.optionalDependencies ?? {}).sort()
const offered = platforms.map(({ name }) => name).sort()
if (wanted.join() !== offered.join())
  problems.push(`@qpkv/core asks for ${wanted.join(', ')} but packages/core/npm has ${offered.join(', ')}`)
for (const { name, folder, manifest } of platforms) {
  if (manifest.version !== core?.manifest.version)
    problems.push(`${name} is ${manifest.version} but @qpkv/core is ${core?.manifest.version ?? 'missing'}`)
  if (!packagesOnly) checkEngine(name, folder)
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

function checkEngine(name: string, folder: string): void {
  const file = join(root, folder, 'qpkv_core.node')
  if (!existsSync(file)) {
    problems.push(`${name}: ${readdirSync(join(root, folder)).join(', ')}, but no qpkv_core.node`)
    return
  }
  const arch = name.includes('arm64') ? 'arm64' : 'x64'
  const machine = machineOf(readFileSync(file))
  const fits = name.includes('linux') ? machine === arch : machine === 'no ELF file'
  if (!fits) problems.push(`${name}: its engine is for another system (${machine})`)
}
