import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolve, type KvError, type SpecInput } from '@qpkv/spec'
import { afterAll, expect, test } from 'vitest'
import { duoattention, headTable, headTableHash, headTableOf, readHeadTable } from '../src/index.ts'

const model = { layers: 2, queryHeads: 4, kvHeads: 2, headDim: 8 }
const table = {
  headTableVersion: 1,
  heads: [
    [0.1, 0.9],
    [0.5, 0.2],
  ],
} as const
const folder = mkdtempSync(join(tmpdir(), 'qpkv-heads-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const tokensOf = (spec: SpecInput) =>
  resolve(spec, undefined, model, { tokens: 400 }).plan.layers.map(({ tokens }) => tokens.perHead)

test('the heads that need most keep everything, as many as the budget holds', () => {
  const prune = duoattention({ sinks: 10, recent: 40, table })
  // 4 heads x 150 tokens: 4 x 50, and one whole head takes 350 more.
  expect(tokensOf({ budget: { tokens: 150 }, prune })).toEqual([
    [50, 400],
    [50, 50],
  ])
  expect(tokensOf({ budget: { tokens: 225 }, prune })).toEqual([
    [50, 400],
    [400, 50],
  ])
  // What is left over is not given to a head that cannot be whole.
  expect(tokensOf({ budget: { tokens: 224 }, prune })).toEqual([
    [50, 400],
    [50, 50],
  ])
})

test('without a table every head keeps as much; query heads follow their KV head', () => {
  expect(tokensOf({ budget: { tokens: 150 }, prune: duoattention() })).toEqual([150, 150])
  const prune = duoattention({ sinks: 10, recent: 40, table })
  expect(tokensOf({ heads: 'query', budget: { tokens: 150 }, prune })).toEqual([
    [50, 50, 400, 400],
    [50, 50, 50, 50],
  ])
})

test('tables come from files, as JSON or as rows with tabs, and are known by their hash', () => {
  const json = join(folder, 'heads.json')
  const tsv = join(folder, 'heads.tsv')
  writeFileSync(
    json,
    JSON.stringify(
      headTableOf(
        [
          [40, 360],
          [200, 80],
        ],
        400,
        'a text',
      ),
    ),
  )
  writeFileSync(tsv, '0.1\t0.9\n0.5\t0.2\n')
  expect(readHeadTable(json).heads).toEqual(table.heads)
  expect(headTableHash(readHeadTable(json))).toBe(headTableHash(readHeadTable(tsv)))
  const spec = (tableHash: string) => ({
    budget: { tokens: 150 },
    prune: duoattention({ sinks: 10, recent: 40 }),
    allocate: headTable({ tokens: 50, table: tsv, tableHash }),
  })
  expect(tokensOf(spec(headTableHash(table)))).toEqual([
    [50, 400],
    [50, 50],
  ])
  const codeOf = (run: () => unknown) => {
    try {
      run()
    } catch (error) {
      return (error as KvError).code
    }
    return undefined
  }
  expect(codeOf(() => tokensOf(spec('0'.repeat(64))))).toBe('KV_CONFLICT')
  writeFileSync(tsv, '0.1\t0.9\n0.5\n')
  expect(codeOf(() => readHeadTable(tsv))).toBe('KV_INVALID_OPTION')
  expect(codeOf(() => readHeadTable(join(folder, 'none.json')))).toBe('KV_INVALID_OPTION')
  const wide = { headTableVersion: 1, heads: [[1, 0, 0]] }
  expect(codeOf(() => tokensOf({ budget: { tokens: 150 }, prune: duoattention({ table: wide }) }))).toBe(
    'KV_CONFLICT',
  )
})

test('parts: every head keeps tokens in proportion to its need, the protected ones in any case', () => {
  const allocate = headTable({ keep: 'parts', table })
  const at = (tokens: number) =>
    tokensOf({ budget: { tokens }, prune: duoattention({ sinks: 3 }), allocate }) as number[][]
  // 4 heads x 85 = 340 tokens at 200 per unit of need: 20 + 180 + 100 + 40.
  expect(at(85)).toEqual([
    [20, 180],
    [100, 40],
  ])
  // Beyond the prompt's 400 nothing goes, and others have the rest; below 3 + 1 nothing goes either.
  const wide = at(250)
  expect(wide[0]![1]).toBe(400)
  expect(wide[1]![0]! / wide[1]![1]!).toBeCloseTo(2.5, 1)
  expect(Math.abs(wide.flat().reduce((sum, n) => sum + n, 0) - 1000)).toBeLessThan(4)
  expect(at(8)).toEqual([
    [4, 16],
    [8, 4],
  ])
  // A head without need keeps what is protected; one number for all is uniform.
  const idle = headTable({ keep: 'parts', table: { headTableVersion: 1, heads: [[0, 1], [1, 1]] } }) // prettier-ignore
  expect(tokensOf({ budget: { tokens: 31 }, prune: duoattention({ sinks: 3 }), allocate: idle })).toEqual([
    [4, 40],
    [40, 40],
  ])
  const bytes = resolve(
    { budget: { bytes: 20_000 }, prune: duoattention({ sinks: 3 }), allocate },
    undefined,
    model,
    { tokens: 400 },
  )
  expect(bytes.bytes).toBeLessThanOrEqual(20_000)
  expect(bytes.bytes).toBeGreaterThan(17_000)
})

test('a budget below the first and newest tokens of every head gives all heads as many', () => {
  expect(tokensOf({ budget: { tokens: 30 }, prune: duoattention({ sinks: 10, recent: 40, table }) })).toEqual(
    [30, 30],
  )
})

test('a table of another model is refused by name; one that names none serves any of its dimensions', () => {
  const made = { ...table, model: { name: 'mine', identity: 'a1' } }
  const on = (identity: string | undefined, given: object) =>
    resolve(
      { budget: { tokens: 150 }, prune: duoattention({ sinks: 10, recent: 40, table: given as never }) },
      undefined,
      { ...model, ...(identity !== undefined && { identity }) },
      { tokens: 400 },
    )
  expect(() => on('a1', made)).not.toThrow()
  expect(() => on('b2', made)).toThrow(/made on mine \(a1\), and this model is another \(b2\)/)
  expect(() => on('b2', table)).not.toThrow()
  expect(() => on(undefined, made)).not.toThrow()
  expect(() => on('a1', { ...made, model: { name: 'mine' } })).toThrow(/model \{ name, identity \}/)
  expect(() => on('a1', { ...made, haeds: [] })).toThrow(/Unknown field .*haeds/)
})
