import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { KvError } from '@qpkv/spec'
import type { Io } from '../io.ts'
import { UsageError } from '../usage-error.ts'
import { ownCommand, quoted } from './own-command.ts'

const call = promisify(execFile)
const POLL_MS = 2000

export interface SlurmOptions {
  /** The sweep's, on a file system that the nodes share; jobs.json stands there. */
  readonly folder: string
  /** Tasks of the array. */
  readonly shards: number
  /** For `qpkv job`: model flags and the like. */
  readonly flags: readonly string[]
  /** For sbatch, such as --partition=gpu. */
  readonly sbatch: readonly string[]
  /** Records that the parts will hold. */
  readonly expected: number
  readonly io: Io
}

/** Where the parts of a sweep lie. */
export const partsOf = (folder: string): string => join(folder, 'parts')

/**
 * Writes array.sh, submits it and waits until no task of it is left. Ctrl-C cancels the array. Tasks that died have left what they had; the
 * caller looks what is missing. @throws UsageError without Slurm, KvError KV_ABORTED
 */
export async function runSlurmArray({
  folder,
  shards,
  flags,
  sbatch,
  expected,
  io,
}: SlurmOptions): Promise<void> {
  const parts = partsOf(resolve(folder))
  await mkdir(parts, { recursive: true })
  const script = join(resolve(folder), 'array.sh')
  await writeFile(script, arrayScript(resolve(folder), shards, flags), { mode: 0o755 })
  const { stdout } = await slurm('sbatch', ['--parsable', ...sbatch, script])
  const id = stdout.trim().split(';')[0] ?? ''
  io.stderr.write(`submitted array ${id}: ${shards} tasks, logs in ${parts}\n`)
  let said = ''
  try {
    for (;;) {
      const states = await statesOf(id)
      if (states.length === 0) return
      const line = `array ${id}: ${await countRecords(parts)} of ${expected} records; ${counted(states)}\n`
      if (line !== said) io.stderr.write(line)
      said = line
      await setTimeout(POLL_MS, undefined, { signal: io.signal })
    }
  } catch (cause) {
    if (!io.signal.aborted) throw cause
    await slurm('scancel', [id])
    throw new KvError('KV_ABORTED', `The array ${id} was cancelled; what is done is in ${parts}.`, {
      hint: 'The same command goes on with it.',
    })
  }
}

function arrayScript(folder: string, shards: number, flags: readonly string[]): string {
  const job = [
    'job',
    join(folder, 'jobs.json'),
    '--out',
    partsOf(folder),
    '--shards',
    String(shards),
    ...flags,
  ]
  return [
    '#!/bin/sh',
    '#SBATCH --job-name=qpkv',
    `#SBATCH --array=0-${shards - 1}`,
    `#SBATCH --output=${join(partsOf(folder), 'task-%a.log')}`,
    '#SBATCH --open-mode=append',
    '#SBATCH --requeue',
    `exec ${quoted([...ownCommand(), ...job])}`,
    '',
  ].join('\n')
}

/** Of the tasks that are left; none where Slurm has forgotten the array. */
async function statesOf(id: string): Promise<readonly string[]> {
  try {
    const { stdout } = await call('squeue', ['--noheader', '--array', '--format=%T', `--jobs=${id}`])
    return stdout.split('\n').filter((line) => line !== '')
  } catch (cause) {
    if ((cause as { readonly stderr?: string }).stderr?.includes('Invalid job id')) return []
    throw cause
  }
}

const counted = (states: readonly string[]): string =>
  [...new Set(states)]
    .map((state) => `${states.filter((one) => one === state).length} ${state.toLowerCase()}`)
    .join(', ')

async function countRecords(parts: string): Promise<number> {
  const names = (await readdir(parts)).filter((name) => name.endsWith('.jsonl'))
  const texts = await Promise.all(names.map((name) => readFile(join(parts, name), 'utf8')))
  return texts.reduce((sum, text) => sum + text.split('\n{"kind":"sample"').length - 1, 0)
}

async function slurm(command: string, args: readonly string[]): Promise<{ readonly stdout: string }> {
  try {
    return await call(command, [...args])
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new UsageError(
        `There is no ${command} on this machine.`,
        'Run it where jobs are submitted to Slurm, or leave --executor out.',
      )
    const { stderr, message } = cause as Error & { readonly stderr?: string }
    const said = (stderr ?? message).trim()
    throw new KvError('KV_DATA', `${command} failed: ${said}`, { hint: 'Options for it: --sbatch.', cause })
  }
}
