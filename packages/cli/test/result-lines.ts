import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** What tests read of a line of a result file. */
export interface Line {
  readonly kind: string
  readonly id: string
  readonly sample: string
}

/** The whole lines of a file; what a kill cut off is left out. */
export const wholeLines = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
export const samplesOf = (path: string): Line[] =>
  wholeLines(path)
    .map((line) => JSON.parse(line) as Line)
    .filter(({ kind }) => kind === 'sample')

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** The command line from its sources, as a process of its own. */
export const startCommand = (
  args: readonly string[],
  stdout: 'ignore' | 'pipe' = 'ignore',
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess =>
  spawn(process.execPath, ['--conditions=@qpkv/source', '--import', 'tsx', main, ...args], {
    stdio: ['ignore', stdout, 'pipe'],
    env,
  })
