import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { samplesOf, startCommand, wholeLines } from './result-lines.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-kill-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)
/** Starts the command line as a process of its own and kills it as soon as `ready` holds. */
async function runAndKill(args: readonly string[], ready: () => boolean): Promise<void> {
  const child = startCommand(args)
  let stderr = ''
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)))
  const ended = once(child, 'exit')
  while (child.exitCode === null && !ready()) await setTimeout(5)
  child.kill('SIGKILL')
  await ended
  expect(child.signalCode, `ended by itself: ${stderr}`).toBe('SIGKILL')
}

/** Everything is there once, and what stood in the file before the kill still does, byte for byte. */
function expectWhole(path: string, before: readonly string[], count: number): void {
  const after = wholeLines(path)
  expect(after.slice(0, before.length)).toEqual(before)
  const ids = samplesOf(path).map(({ id }) => id)
  expect(ids).toHaveLength(count)
  expect(new Set(ids).size).toBe(count)
  expect(existsSync(`${path}.lock`)).toBe(false)
}

const SPECS = ['none+none', 'keydiff:last=8+kivi:bits=4,group=32,recent=8@64x16']
const SAMPLES = 16

describe('kill -9', () => {
  it('of a sweep with two workers costs each the sample in work; the same command completes the files', async () => {
    const options = { lengths: [1024], samples: SAMPLES, keys: 4 }
    const tasks = [1, 2].map((seed) => ({ bench: 'needle', options: { ...options, seed } }))
    writeFileSync(file('grid.json'), JSON.stringify({ tasks, specs: SPECS }))
    const out = file('sweep')
    const args = ['sweep', file('grid.json'), '--out', out, '--workers', '2', '--copies', '2']
    const files = () =>
      existsSync(out)
        ? readdirSync(out)
            .filter((name) => name.endsWith('.jsonl'))
            .map((name) => join(out, name))
        : []
    const counts = () => files().map((path) => samplesOf(path).length)
    // Both jobs have come to their second sample: they do run side by side.
    await runAndKill(args, () => counts().length === 2 && counts().every((count) => count >= 2))
    expect(Math.min(...counts())).toBeLessThan(SAMPLES * SPECS.length)
    const before = files().map((path) => [path, wholeLines(path)] as const)
    for (const [path] of before) {
      // A job asks one sample after the other: all but the one in work are there, under every spec.
      const done = samplesOf(path).map(({ sample }) => sample)
      const expected = Array.from({ length: done.length }, (_, i) => Math.floor(i / SPECS.length))
      expect(done.map((sample) => Number(sample.split('-').at(-1)))).toEqual(expected)
      expect(existsSync(`${path}.lock`)).toBe(true)
    }
    const { code, stderr } = await run(args)
    expect(stderr).not.toContain('error')
    expect(code).toBe(0)
    for (const [path, lines] of before) expectWhole(path, lines, SAMPLES * SPECS.length)
    expect(files()).toHaveLength(2)
  }, 60_000)

  it('of a bench with two workers costs at most two samples; the same command completes the file', async () => {
    writeFileSync(file('specs.txt'), SPECS.join('\n'))
    const out = file('ruler.jsonl')
    const task = ['--tasks', 'niah_single_1', '--length', '1024', '--samples', String(SAMPLES)]
    const args = ['bench', 'ruler', ...task, '--workers', '2', '--specs', file('specs.txt'), '--out', out]
    await runAndKill(args, () => samplesOf(out).length >= 3 * SPECS.length)
    const before = wholeLines(out)
    const done = new Set(samplesOf(out).map(({ sample }) => Number(sample.split('/').at(-1))))
    expect(done.size).toBeLessThan(SAMPLES)
    // Samples are taken in order: below the last one that is done only the other worker's may be missing.
    const first = Math.min(...done)
    expect(Math.max(...done) - first + 1 - done.size).toBeLessThanOrEqual(1)
    expect(samplesOf(out)).toHaveLength(done.size * SPECS.length)
    const { code, stdout } = await run(args)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^none\+none +1024 /m)
    expectWhole(out, before, SAMPLES * SPECS.length)
  }, 60_000)
})
