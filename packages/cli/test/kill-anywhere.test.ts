import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { SeededRandom } from '@qpkv/bench-kit'
import { afterAll, expect, it } from 'vitest'
import { samplesOf, startCommand, wholeLines } from './result-lines.ts'

/*
 * kill -9 at random moments of a run, from the start of the process to its last record, then the same command again. `pnpm kill-test` does it
 * fifty times, to a benchmark and to a job.
 */
const KILLS = Number(process.env['QPKV_KILLS'] ?? 4)

const folder = mkdtempSync(join(tmpdir(), 'qpkv-kill-anywhere-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const specs = join(folder, 'specs.txt')
writeFileSync(specs, 'none+none\nkeydiff:last=8+kivi:bits=4,group=32,recent=8@64x16\nsnapkv+none@1t\n')

const task = { lengths: [1024], samples: 24, keys: 8, protocol: 'query-agnostic', questions: 2 }
const jobs = join(folder, 'job.json')
const job = { model: 'reference', task: { bench: 'needle', options: task }, samples: { from: 2, to: 20 } }
writeFileSync(
  jobs,
  JSON.stringify({ ...job, specs: ['none+none', 'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16'] }),
)

interface Command {
  readonly name: string
  readonly records: number
  readonly args: (out: string) => readonly string[]
  /** The result file. */
  readonly file: (out: string) => string
}
const commands: readonly Command[] = [
  {
    name: 'a benchmark',
    records: 24 * 2, // the third spec is too small for every text, and takes nothing from the others
    args: (out) =>
      'bench needle --length 1024 --samples 24 --keys 8 --agnostic --questions 2 --workers 2 --specs'
        .split(' ')
        .concat(specs, '--out', out),
    file: (out) => out,
  },
  {
    name: 'a job',
    records: 18 * 2,
    args: (out) => ['job', jobs, '--out', out, '--threads', '1'],
    file: (out) =>
      join(out, (existsSync(out) ? readdirSync(out) : []).find((name) => name.endsWith('.jsonl')) ?? 'none'),
  },
]

/** Runs the command to its end, or kills it after so many milliseconds; whether it was killed. */
async function runFor(args: readonly string[], milliseconds: number): Promise<boolean> {
  const child = startCommand(args)
  const ended = once(child, 'exit')
  const alarm = new AbortController()
  await Promise.race([ended, setTimeout(milliseconds, undefined, { signal: alarm.signal })])
  alarm.abort()
  const killed = child.kill('SIGKILL')
  await ended
  return killed && child.signalCode === 'SIGKILL'
}

/** What a record says beside when and how fast it was measured. */
const measured = (path: string) =>
  samplesOf(path)
    .map((line) => {
      const {
        timings: _timings,
        peakRssBytes: _peak,
        ...record
      } = line as typeof line & Record<string, unknown>
      return record
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))

it.each(commands)(
  `$name after ${KILLS} kills at random moments gives the records of an unbroken run`,
  async ({ name, records, args, file }) => {
    const random = new SeededRandom(7)
    const place = (of: string) => join(folder, `${name} ${of}.jsonl`)
    const started = performance.now()
    expect(await runFor(args(place('unbroken')), 120_000)).toBe(false)
    const whole = performance.now() - started
    const expected = measured(file(place('unbroken')))
    expect(expected).toHaveLength(records)
    let kills = 0
    let resumed = 0
    for (let round = 0; kills < KILLS; round++) {
      const out = place(`round ${round}`)
      let before: string[] = []
      // One to four kills of one file, then the run to its end.
      for (let left = Math.min(1 + random.below(4), KILLS - kills); left > 0; left--) {
        if (!(await runFor(args(out), whole * (0.2 + 0.8 * (random.below(1000) / 1000))))) break
        kills++
        const now = wholeLines(file(out))
        expect(now.slice(0, before.length)).toEqual(before)
        if (before.length > 0) resumed++
        before = now
      }
      expect(await runFor(args(out), 120_000)).toBe(false)
      expect(wholeLines(file(out)).slice(0, before.length)).toEqual(before)
      expect(measured(file(out))).toEqual(expected)
      expect(existsSync(`${file(out)}.lock`)).toBe(false)
    }
    if (KILLS >= 20) expect(resumed).toBeGreaterThan(0)
  },
  60_000 + KILLS * 20_000,
)
