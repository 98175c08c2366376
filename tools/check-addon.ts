// check-addon FILE --arch x64|arm64 [--glibc 2.28]: whether a built addon may be published: there, for that
// processor, loadable with that C library, and without what only tests use. Used by the release workflow for every
// prebuilt file.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compareVersions, glibcFloor, machineOf } from './elf.ts'
import { conclude } from './workspace.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { arch: { type: 'string', default: process.arch }, glibc: { type: 'string' } },
})
const [file] = positionals
if (file === undefined) {
  console.error('Type: check-addon FILE --arch x64|arm64 [--glibc 2.28]')
  process.exit(2)
}
const problems: string[] = []
if (!existsSync(file)) problems.push(`${file}: there is no such file`)
else {
  const machine = machineOf(readFileSync(file))
  if (machine !== values.arch) problems.push(`${file}: expected ${values.arch} but it is for ${machine}`)
  else {
    const floor = glibcFloor(file)
    console.log(`${file}: ${machine}, needs glibc ${floor ?? 'of any version'}`)
    if (values.glibc !== undefined && floor !== undefined && compareVersions(floor, values.glibc) > 0)
      problems.push(
        `${file}: needs glibc ${floor}, newer than ${values.glibc}; build it in an older container`,
      )
    if (file.endsWith('.node') && machine === process.arch) {
      const addon = load(file)
      const holds = [
        ...(addon.opTables().includes('reference') ? ['reference table'] : []),
        ...('probe' in addon ? ['probe'] : []),
      ]
      for (const gear of holds)
        problems.push(`${file}: holds the ${gear} of the tests; type: npm run build:release`)
    }
  }
}
conclude('addon', problems)

function load(path: string): { opTables(): string[] } {
  return createRequire(import.meta.url)(resolve(path)) as { opTables(): string[] }
}
