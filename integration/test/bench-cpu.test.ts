import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from '@qpkv/core'
import { afterAll, expect, test } from 'vitest'
import { writeRandomGguf } from '../src/bench/random-gguf.ts'
import { holdsOne, ratioInterval, runRounds } from '../src/bench-cpu/paired.ts'
import { AGAIN, OURS, PEER, pairedRow } from '../src/bench-cpu/row.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-bench-test-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** A lane whose times are `middle` with a spread that repeats every five calls. */
const lane = (name: string, middle: number, spread: number, order: string[] = []) => {
  let call = 0
  return {
    name,
    measure: () => {
      order.push(name)
      return Promise.resolve(middle * (1 + spread * ((call++ * 3) % 5) - 2 * spread))
    },
  }
}
const limits = {
  least: 20,
  most: 40,
  same: [OURS, AGAIN] as const,
  width: 0.03,
  good: () => Promise.resolve(true),
}

test('identical lanes hold one, and a ratio has its interval', async () => {
  const lanes = [lane(OURS, 10, 0.002), lane(AGAIN, 10, 0.002), lane(PEER, 15, 0.002)]
  const row = pairedRow('row', 20, await runRounds(lanes, { ...limits, same: [...limits.same] }))
  expect(row.measured).toBe(true)
  expect(row.ratio).toBeCloseTo(1.5, 2)
  expect(row.interval!.low).toBeLessThanOrEqual(row.ratio!)
  expect(row.interval!.high).toBeGreaterThanOrEqual(row.ratio!)
})

test('lanes that are the same but come out 5 % apart make the row not measured', async () => {
  const lanes = [lane(OURS, 10, 0.002), lane(AGAIN, 10.5, 0.002), lane(PEER, 15, 0.002)]
  const row = pairedRow('row', 20, await runRounds(lanes, { ...limits, same: [...limits.same] }))
  expect(row.measured).toBe(false)
  expect(holdsOne({ low: 0.9, high: 1.1 })).toBe(false)
})

test('every order comes in turn, and rounds without two cores are dropped', async () => {
  const order: string[] = []
  const lanes = [lane(OURS, 10, 0, order), lane(AGAIN, 10, 0, order), lane(PEER, 15, 0, order)]
  let asked = 0
  const rounds = await runRounds(lanes, {
    ...limits,
    same: [...limits.same],
    good: () => Promise.resolve(asked++ % 4 !== 0), // every other round begins badly
  })
  expect(rounds.counted).toBe(20)
  expect(rounds.dropped).toBeGreaterThanOrEqual(19)
  // The first three calls do not count.
  const orders = Array.from({ length: 6 }, (_, i) => order.slice(3 + 3 * i, 6 + 3 * i).join())
  expect(new Set(orders).size).toBe(6)
})

test('rounds are added while identical lanes are apart, and end', async () => {
  const wide = [lane(OURS, 10, 0.1), lane(AGAIN, 10, 0.13)]
  const rounds = await runRounds(wide, { ...limits, same: [...limits.same] })
  expect(rounds.counted).toBe(40)
  const { low, high } = ratioInterval(rounds.values.get(OURS)!, rounds.values.get(AGAIN)!)
  expect(high - low).toBeGreaterThan(0.03)
})

test.each(['q4_0', 'q8_0', 'bf16'] as const)('a random file in %s loads and runs', async (format) => {
  const file = join(folder, `${format}.gguf`)
  const shape = {
    layers: 2,
    hidden: 64,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 32,
    intermediate: 96,
    vocab: 320,
  }
  writeRandomGguf(file, shape, format)
  expect(existsSync(file)).toBe(true)
  await using model = await loadModel(file)
  expect(model.facts.layers).toBe(2)
  await using context = await model.prefill(Int32Array.from({ length: 40 }, (_, i) => 5 + i))
  const logits = await context.logits()
  expect(logits.length).toBe(320)
  expect(logits.every(Number.isFinite)).toBe(true)
  expect(new Set(logits).size).toBeGreaterThan(100)
})
