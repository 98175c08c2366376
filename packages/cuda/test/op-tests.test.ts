import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { opTests, testsOfOps, testsOfStatistics } from '../scripts/on-device/op-tests.ts'

const core = join(import.meta.dirname, '..', '..', 'core', 'native')
const native = join(import.meta.dirname, '..', 'native')
const read = (...path: string[]) => readFileSync(join(...path), 'utf8')
const names = (folder: string, ending: string) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length))

/** In the order of the table, by which the library fills it. */
const ops = [...read(core, 'ops', 'ops.h').matchAll(/^ {2}\w+\*? \(\*(\w+)\)\(/gm)].map(([, name]) => name!)
/** Native tests with the text of the file that each stands in. */
const tests = new Map(
  names(join(core, 'test'), '_test.cc').flatMap((file) => {
    const text = read(core, 'test', `${file}_test.cc`)
    return [...text.matchAll(/^QPKV_TEST\((\w+)\)/gm)].map(([, name]) => [name!, text] as const)
  }),
)

describe('every op of the table', () => {
  test('has its tests, and nothing else has', () => {
    expect(ops.length).toBeGreaterThan(30)
    expect(Object.keys(testsOfOps)).toEqual(ops)
  })

  test.each(Object.entries(testsOfOps))(
    '%s is called in the files of its tests, over the tables',
    (op, of) => {
      expect(of.length).toBeGreaterThan(0)
      for (const name of of) {
        const text = tests.get(name)
        expect(text, `a native test ${name}`).toBeDefined()
        expect(text).toMatch(/\b(?:Engine)?Tables\(\)/)
      }
      // Unpack through what makes its arguments (tile_cases.h).
      const call = new RegExp(`\\b${op}(?:One)?\\(`)
      expect(of.some((name) => call.test(tests.get(name)!))).toBe(true)
    },
  )

  test('is in the library: none is unsupported', () => {
    const table = /const Ops kOps = \{([^}]*)\}/.exec(read(native, 'backend.cu'))![1]!
    const filled = table
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean)
    expect(filled).toEqual(['"cuda"', ...ops])
    const kernels = names(join(native, 'kernels'), '.cu').map((file) => read(native, 'kernels', `${file}.cu`))
    for (const text of kernels) expect(text).not.toMatch(/KV_UNSUPPORTED|unsupported/i)
  })
})

test('every statistic of the contract has a kernel, which the tests of statistics take from the library', () => {
  const of = (folder: string, ending: string) => names(folder, ending).sort()
  expect(of(join(native, 'kernels', 'statistics'), '.cu')).toEqual(
    of(join(core, 'reference', 'statistics'), '.cc'),
  )
  for (const name of testsOfStatistics) expect(tests.get(name)).toContain('StatisticsFor(')
})

test('the suite is called with whole names, each once', () => {
  expect(opTests.every((name) => name.startsWith('='))).toBe(true)
  expect(new Set(opTests).size).toBe(opTests.length)
})
