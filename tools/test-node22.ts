// pnpm test:node22: the tests against `ai` and `openai`, which declare Node 22, under npm's node@22. It is fetched into .tools once; with a newer
// Node at hand that one is used.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

const PROJECTS = ['@qpkv/ai-sdk', '@qpkv/server']

/** The executable of npm's node@22 for this platform. */
function node22(): string {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const folder = join(root, '.tools/node22')
  const file = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true })
    const { status } = spawnSync(
      'npm',
      ['install', '--prefix', folder, '--no-audit', '--no-fund', `${name}@22`],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        shell: process.platform === 'win32',
      },
    )
    if (status !== 0 || !existsSync(file))
      throw new Error(
        `Expected npm to install ${name}@22 into ${folder}. Use a Node of version 22 or above instead.`,
      )
  }
  return file
}

const here = Number(process.versions.node.split('.')[0]) >= 22 ? process.execPath : node22()
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(here, [vitest, 'run', ...PROJECTS.flatMap((name) => ['--project', name])], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
