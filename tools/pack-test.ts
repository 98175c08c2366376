// pnpm pack-test [--engine FILE]: packs what would be published and uses it as a stranger would: in empty projects, under npm and under pnpm, as
// ESM, as CommonJS, from TypeScript and in a worker thread, with the prebuilt engine and neither compiler nor cmake on the PATH; every package
// with nothing but what it declares; chat, server and provider with their clients; and a method that somebody else wrote. FILE is an engine that was built elsewhere.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { useApplications } from './pack-test/applications.ts'
import { builtEngine, packAll, platform } from './pack-test/pack.ts'
import { bareEnvironment, modelFolder, npmInstall, pnpmInstall } from './pack-test/project.ts'
import { strictProject, useProject, writeProject } from './pack-test/project.ts'
import { expectText, run, runAll, step } from './pack-test/run.ts'
import { everyPackage } from './pack-test/scripts.ts'
import { packThirdParty, THIRD_PARTY, thirdPartyCommand } from './pack-test/third-party.ts'
import { root } from './workspace.ts'

const MAX_BYTES = 15e6

const { values } = parseArgs({ options: { engine: { type: 'string', default: builtEngine } } })
const work = mkdtempSync(join(tmpdir(), 'qpkv-pack-'))
const packs = join(work, 'packs')
const engine = `@qpkv/core-${platform}`
const three = ['@qpkv/core', '@qpkv/pruner-snapkv', '@qpkv/quantizer-kivi']
const needle = 'The password of Ada of Selby is calm-moon.'
const tool = (name: string) => join(root, 'node_modules/.bin', name)

mkdirSync(packs)
let tarballs = new Map<string, string>()
try {
  const env = bareEnvironment(work)
  await step('pack', () => {
    tarballs = packAll(packs, resolve(values.engine))
  })
  await step('publint and attw over every tarball', async () => {
    await runAll(
      [...tarballs].flatMap(([name, tarball]) => [
        [tool('publint'), tarball, '--strict'],
        ...(name === engine ? [] : [[tool('attw'), tarball, '--profile', 'esm-only', '--format', 'ascii']]),
      ]),
    )
  })
  await step('three packages under 15 MB', () => {
    const names = [...three, '@qpkv/spec', engine] // with what they bring
    const bytes = names.reduce((sum, name) => sum + statSync(tarballs.get(name) ?? '').size, 0)
    if (bytes > MAX_BYTES)
      throw new Error(`core, a pruner and a quantizer pack to ${(bytes / 1e6).toFixed(1)} MB; at most 15 MB`)
  })
  await step('npm: ESM, CommonJS, worker, types', () => {
    const folder = join(work, 'with-npm')
    writeProject(folder, tarballs, three)
    npmInstall(folder)
    useProject(folder, env)
    tarballs.set(THIRD_PARTY, packThirdParty(folder, packs))
  })
  await step('pnpm: ESM, CommonJS, worker, types', () => {
    const folder = join(work, 'with-pnpm')
    writeProject(folder, tarballs, three)
    pnpmInstall(folder)
    useProject(folder, env)
  })
  await step('every package with nothing but what it declares', () => {
    const names = [...tarballs.keys()].filter((name) => name !== engine)
    const folder = strictProject(join(work, 'every-package'), tarballs, names)
    writeFileSync(join(folder, 'every-package.mjs'), everyPackage(names))
    expectText('every-package.mjs', run('node', ['every-package.mjs', modelFolder], folder, { env }), /^ok$/m)
  })
  await step('chat, server and AI SDK provider, each alone', () => {
    useApplications(work, tarballs, env)
  })
  await step('npx qpkv without compiler and cmake, and a third-party method', () => {
    const folder = join(work, 'command')
    writeProject(folder, tarballs, ['qpkv', THIRD_PARTY])
    npmInstall(folder)
    const npx = (args: string[], input = '') => run('npx', ['--no', 'qpkv', ...args], folder, { env, input })
    npx(['demo', '--scale', '0.1', '--lengths', '512', '--out', 'out'])
    if (!existsSync(join(folder, 'out'))) throw new Error('qpkv demo wrote nothing')
    const question = 'What is the password of Ada of Selby?'
    expectText(
      'qpkv chat',
      npx(['chat', '--max-tokens', '32'], `${needle} ${question}\n/exit\n`),
      /calm-moon/,
    )
    npx(['bench', 'needle', '--keys', '1', '--length', '512', '--samples', '1', '--out', 'needle.jsonl'])
    expectText('qpkv doctor', npx(['doctor']), new RegExp(`^addon .*${engine}`, 'm'))
    writeFileSync(join(folder, 'long.txt'), needle.repeat(20))
    npx([...thirdPartyCommand(), '--max-tokens', '2', '--json', 'answer.json'])
    const answer = readFileSync(join(folder, 'answer.json'), 'utf8')
    expectText('qpkv generate --use', answer, /"method": ?"small-norm"/)
  })
} finally {
  rmSync(work, { recursive: true, force: true })
}
