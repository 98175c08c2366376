import type { PreparedRun, SweepJob } from '@qpkv/bench-kit'
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { ModelPool } from '../src/sweep/model-pool.ts'
import { runSweep, type ReadyJob } from '../src/sweep/run-sweep.ts'

const ready = (id: string): ReadyJob => ({
  job: { id, model: id, task: { bench: 'needle', options: {} }, specs: [] } satisfies SweepJob,
  run: {} as PreparedRun,
  path: `${id}.jsonl`,
})

function optionsFor(strict: boolean, signal = new AbortController().signal) {
  const opened: string[] = []
  const said: string[] = []
  const pool = new ModelPool((name) => {
    opened.push(name)
    return Promise.reject(new Error(`no model ${name}`))
  })
  const output = { write: (text: string) => said.push(text) }
  const io = {
    stdin: new PassThrough(),
    stdout: output,
    stderr: output,
    signal,
    takeInterrupt: () => () => undefined,
  }
  return { opened, said, options: { pool, workers: 2, strict, io } }
}

it('runs each job once and goes on after a failure', async () => {
  const { opened, said, options } = optionsFor(false)
  expect(await runSweep([ready('a'), ready('b'), ready('a')], options)).toEqual(['no model a', 'no model b'])
  expect(opened).toEqual(['a', 'b'])
  expect(said[0]).toBe('a needle query-aware failed: no model a\n')
})

it('strict ends at the first failure', async () => {
  const { options } = optionsFor(true)
  await expect(runSweep([ready('a'), ready('b')], options)).rejects.toThrow('no model a')
})

it('is cancelled between jobs', async () => {
  const { opened, options } = optionsFor(false, AbortSignal.abort())
  await expect(runSweep([ready('a'), ready('b')], options)).rejects.toThrow(/0 of 2 jobs/)
  expect(opened).toEqual([])
})
