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
