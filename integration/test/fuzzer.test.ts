import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

// The fuzzer itself: what a planted fault does to the process that reads is found, reported and kept with its input.
const SEED = 'a seed that is sound'
const root = fileURLToPath(new URL('../../', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'qpkv-fuzzer-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** `pnpm fuzz` over a planted target, for about a second. */
function fuzz(target: string) {
  mkdirSync(join(work, 'corpora', target), { recursive: true })
  writeFileSync(join(work, 'corpora', target, 'seed'), SEED)
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--conditions=@qpkv/source',
      '--import=tsx',
      join(root, 'tools/fuzz.ts'),
      target,
      '--minutes=0.01',
      `--targets=${fileURLToPath(new URL('planted-targets.ts', import.meta.url))}`,
      `--corpora=${join(work, 'corpora')}`,
    ],
    { cwd: root, env: { ...process.env, TMPDIR: work }, encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  return { status, stdout }
}

test('a reader that refuses what is broken by a KvError passes', () => {
  const { status, stdout } = fuzz('refuses')
  expect(Number(/^refuses: (\d+) inputs, 0 findings$/m.exec(stdout)?.[1])).toBeGreaterThan(10)
  expect(status).toBe(0)
}, 60_000)

test.each([
  ['throws', /TypeError: cannot read the planted property[^]*planted-targets\.ts/],
  ['dies', /ends the process with SIGSEGV/],
  ['hangs', /hangs for more than 5 s/],
])(
  'a reader that %s is found, and the input that shows it is kept',
  (target, pattern) => {
    const { status, stdout } = fuzz(target)
    expect(stdout).toMatch(new RegExp(`^${target}: \\d+ inputs, 1 finding$`, 'm'))
    expect(stdout).toMatch(pattern)
    const [, iteration, file = ''] = /iteration (\d+), input (\S+)/.exec(stdout) ?? []
    expect(Number(iteration)).toBeGreaterThan(0) // the seed comes first and is sound
    expect(readFileSync(file, 'utf8')).not.toBe(SEED)
    expect(status).toBe(1)
  },
  60_000,
)
