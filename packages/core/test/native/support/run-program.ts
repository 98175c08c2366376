import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../../../../..')

export const referenceModel = join(root, 'packages/reference-model/model')

/** Runs a TypeScript program of this folder in a process of its own; returns what it printed, parsed. */
export async function runProgram(name: string, ...args: string[]): Promise<unknown> {
  const program = join(import.meta.dirname, name)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--conditions=@qpkv/source', '--import', 'tsx', program, ...args],
    { cwd: root },
  )
  return JSON.parse(stdout)
}
