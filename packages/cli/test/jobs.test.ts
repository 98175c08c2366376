import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { shardOf } from '../src/jobs/shard.ts'
import { sameRecords } from './same-records.ts'
import { samplesOf, startCommand } from './result-lines.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-jobs-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
afterEach(() => {
  vi.unstubAllEnvs()
})
const file = (name: string) => join(folder, name)

const grid = {
  tasks: [
    { bench: 'needle', options: { lengths: [256], samples: 7, keys: 2 } },
    { bench: 'needle', options: { lengths: [256], samples: 3, keys: 2, protocol: 'query-agnostic' } },
  ],
  // One token is less than keydiff keeps anyway: that row fails alone.
  specs: ['none+none', 'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16', 'keydiff:last=8+none@1t'],
}
beforeAll(async () => {
  writeFileSync(file('grid.json'), JSON.stringify(grid))
  const { code } = await run(['sweep', file('grid.json'), '--out', file('local'), '--threads', '1'])
  expect(code).toBe(0)
}, 60_000)

const job = (...args: string[]) => run(['job', join(file('local'), 'jobs.json'), '--threads', '1', ...args])
const merge = (from: string, to: string) => run(['merge', from, '--out', to])

describe('parts of a sweep', () => {
  it('give the records of one run, whoever asks which part, when they are joined', async () => {
    for (const part of [2, 3, 1])
      expect((await job('--out', file('parts'), '--shard', `${part}/3`)).code).toBe(0)
    expect(readdirSync(file('parts')).filter((name) => name.includes('part-2-of-3'))).toHaveLength(2)
    const { code, stdout, stderr } = await merge(file('parts'), file('joined'))
    expect(code).toBe(0)
    expect(stdout).toMatch(/: 14 records, 14 new, from 3 files\n/)
    expect(stderr).toBe('')
    expect(sameRecords(file('joined'), file('local'))).toBe(20)
    // Again: nothing is written twice.
    const before = readdirSync(file('joined')).map((name) => samplesOf(join(file('joined'), name)).length)
    const lines = () =>
      readdirSync(file('joined')).map(
        (name) => readFileSync(join(file('joined'), name), 'utf8').split('\n').length,
      )
    const count = lines()
    expect((await merge(file('parts'), file('joined'))).stdout).toMatch(/ 0 new/)
    expect(readdirSync(file('joined')).map((name) => samplesOf(join(file('joined'), name)).length)).toEqual(
      before,
    )
    expect(lines().map((n, i) => n - count[i]!)).toEqual([1, 1]) // a line that says who looked
  })

  it('are taken from a Slurm array or an indexed job', async () => {
    vi.stubEnv('JOB_COMPLETION_INDEX', '1')
    expect((await job('--out', file('indexed'), '--shards', '2')).code).toBe(0)
    vi.unstubAllEnvs()
    vi.stubEnv('SLURM_ARRAY_TASK_ID', '4')
    vi.stubEnv('SLURM_ARRAY_TASK_MIN', '4')
    vi.stubEnv('SLURM_ARRAY_TASK_COUNT', '2')
    expect((await job('--out', file('indexed'))).code).toBe(0)
    vi.unstubAllEnvs()
    await merge(file('indexed'), file('indexed-joined'))
    expect(sameRecords(file('indexed-joined'), file('local'))).toBe(20)
  })

  it('that cannot be are refused, with what to type', async () => {
    expect(() => shardOf({ JOB_COMPLETION_INDEX: '0' })).toThrow(/--shards N/)
    expect(() => shardOf({ SLURM_ARRAY_TASK_ID: '8' }, 8)).toThrow(/numbered from 0 to 7/)
    expect(() => shardOf({}, 8)).toThrow(/neither is set/)
    expect(shardOf({})).toEqual({ index: 0, count: 1 })
    expect((await job('--shard', '4/3')).stderr).toMatch(/i from 1 to n/)
    writeFileSync(file('broken.json'), '{"model": "reference"}')
    expect((await run(['job', file('broken.json')])).stderr).toMatch(/broken\.json needs .*"task"/)
    writeFileSync(
      file('other.json'),
      JSON.stringify({
        ...JSON.parse(readFileSync(join(file('local'), 'jobs.json'), 'utf8'))[0],
        sampels: 1,
      }),
    )
    expect((await run(['job', file('other.json')])).stderr).toMatch(
      /other\.json\.sampels.*\n.*Did you mean samples/,
    )
  })

  it('of a job with a range are parts of the range', async () => {
    const [first] = JSON.parse(readFileSync(join(file('local'), 'jobs.json'), 'utf8')) as object[]
    writeFileSync(file('ranged.json'), JSON.stringify({ ...first, samples: { from: 2, to: 6 } }))
    for (const part of ['1/2', '2/2'])
      expect(
        (await run(['job', file('ranged.json'), '--threads', '1', '--out', file('ranged'), '--shard', part]))
          .code,
      ).toBe(0)
    expect(readdirSync(file('ranged')).map((name) => samplesOf(join(file('ranged'), name)).length)).toEqual([
      4, 4,
    ])
    writeFileSync(file('ranged.json'), JSON.stringify({ ...first, samples: { from: 2, to: 60 } }))
    expect(
      (await run(['job', file('ranged.json'), '--threads', '1', '--out', file('ranged')])).stderr,
    ).toMatch(/between 0 and the run's 7/)
  })
})

describe('kill -9 of a part', () => {
  it(
    'at any moment costs what was in work; the same command completes it',
    { timeout: 180_000 },
    async () => {
      const args = [
        'job',
        join(file('local'), 'jobs.json'),
        '--threads',
        '1',
        '--out',
        file('killed'),
        '--shard',
        '1/2',
      ]
      const counts = () =>
        existsSync(file('killed'))
          ? readdirSync(file('killed'))
              .filter((name) => name.endsWith('.jsonl'))
              .map((name) => samplesOf(join(file('killed'), name)).length)
          : []
      const sum = () => counts().reduce((total, n) => total + n, 0)
      for (const least of [1, 3]) {
        const child = startCommand(args)
        const ended = once(child, 'exit')
        while (child.exitCode === null && sum() < least) await setTimeout(3)
        child.kill('SIGKILL')
        await ended
      }
      expect((await run(args)).code).toBe(0)
      expect((await job('--out', file('killed'), '--shard', '2/2')).code).toBe(0)
      await merge(file('killed'), file('killed-joined'))
      expect(sameRecords(file('killed-joined'), file('local'))).toBe(20)
    },
  )
})
