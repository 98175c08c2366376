import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { checkGoldens } from '../src/index.ts'

/*
 * What kvpress 0.5.5 keeps of small seeded layers: odd numbers of heads, one KV head, lengths that fill no block, budgets down to one token,
 * equal tokens; written by tools/goldens/make_pruner_cases.py, read by the engine's own entry points on every op table.
 */

const folder = fileURLToPath(new URL('goldens', import.meta.url))

test('every op table keeps what kvpress keeps, with its scores', async () => {
  const results = []
  for await (const result of checkGoldens(folder, { families: ['pruners-next'] })) results.push(result)
  const tables = results.filter(({ table }) => table !== undefined)
  expect(tables.length).toBeGreaterThanOrEqual(2)
  for (const { table, passed, firstDifferences } of tables) {
    expect(firstDifferences, table).toEqual([])
    expect(passed, table).toBeGreaterThan(200)
  }
}, 120_000)
