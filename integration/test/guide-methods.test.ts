import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { randomValues, testPruner } from '@qpkv/conformance'
import { loadModel } from '@qpkv/core'
import { selectLayer } from '@qpkv/reference'
import { modelFolder } from '@qpkv/reference-model'
import { resolve, type AnyPruner, type MethodRef } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { probeAddon } from '../../packages/core/test/support/probe.ts'

/*
 * Two pruners of docs/write-a-pruner.md that no package here has: attention times value, and chunks. Each is in the guide in under 25
 * lines, passes the suite, and keeps what a count from its formula keeps.
 */
const guide = readFileSync(fileURLToPath(new URL('../../docs/write-a-pruner.md', import.meta.url)), 'utf8')
const work = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.guide-methods-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

async function fromGuide(label: string) {
  const code = new RegExp(`^\`\`\`ts ${label}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(guide)?.[1] ?? ''
  const file = join(work, `${label}.ts`)
  writeFileSync(file, code)
  const [method] = Object.values((await import(/* @vite-ignore */ pathToFileURL(file).href)) as object)
  return {
    lines: code.trim().split('\n').length,
    method: method as AnyPruner & ((given?: object) => MethodRef),
  }
}

const shape = { queryHeads: 4, kvHeads: 2, headDim: 16, tokens: 120 }
const { queryHeads, kvHeads, headDim, tokens } = shape
const q = randomValues(queryHeads * tokens * headDim, 1)
const k = randomValues(kvHeads * tokens * headDim, 2)
const v = randomValues(kvHeads * tokens * headDim, 3).map((x, i) => x * (1 + (Math.floor(i / headDim) % 7)))

/** Attention that key t of a KV head receives from the queries from `from` on, mean over its query heads. */
function received(head: number, from: number): number[] {
  const total = Array.from({ length: tokens }, () => 0)
  for (const h of [2 * head, 2 * head + 1])
    for (let i = from; i < tokens; i++) {
      const logits = Array.from({ length: i + 1 }, (_, t) => {
        let dot = 0
        for (let d = 0; d < headDim; d++)
          dot += q[(h * tokens + i) * headDim + d]! * k[(head * tokens + t) * headDim + d]!
        return Math.exp(dot / Math.sqrt(headDim))
      })
      const sum = logits.reduce((a, b) => a + b, 0)
      for (const [t, weight] of logits.entries()) total[t]! += weight / sum / 2
    }
  return total
}

const keptBy = (prune: MethodRef) => {
  const spec = { budget: { tokens: 40 }, prune }
  const [layer] = resolve(spec, undefined, { layers: 1, ...shape }, shape).plan.layers
  return selectLayer(layer!, 'kv', { ...shape, q, k, v }).kept
}
const addon = probeAddon()

/** The engine keeps the same of these tensors, on every table, and the method runs on a model. */
async function expectInEngine(prune: MethodRef): Promise<void> {
  const spec = { budget: { tokens: 40 }, prune }
  const [plan] = resolve(spec, undefined, { layers: 1, ...shape }, shape, { precision: 'f32' }).plan.layers
  const byToken = new Float32Array(q.length)
  for (let h = 0; h < queryHeads; h++)
    for (let t = 0; t < tokens; t++)
      byToken.set(
        q.subarray((h * tokens + t) * headDim, (h * tokens + t + 1) * headDim),
        (t * queryHeads + h) * headDim,
      )
  for (const table of addon.opTables()) {
    const engine = addon.createEngine({ threads: 2, table })
    const options = { ...shape, q: byToken, k, v, heads: 'kv', plan: plan!, precision: 'f32' } as const
    const cache = await engine.createLayerCache(options)
    expect(cache.kept(), table).toEqual(keptBy(prune))
    cache.dispose()
    engine.dispose()
  }
  await using model = await loadModel(modelFolder, { threads: 2 })
  const ids = Array.from({ length: 150 }, (_, i) => 5 + ((i * 37) % 900))
  await using context = await model.prefill(ids, { compression: spec })
  expect(context.report.kept.flat().every((count) => count === 40)).toBe(true)
  await context.append([7])
  expect((await context.logits()).every(Number.isFinite)).toBe(true)
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const best = (scores: readonly number[], among: readonly number[], count: number) =>
  [...among].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count)

describe('attention times value', async () => {
  const { lines, method } = await fromGuide('vatp')
  testPruner({ test, pruner: method })

  test('is in the guide in under 25 lines and keeps what its formula says', () => {
    expect(lines).toBeLessThan(25)
    for (const [head, kept] of keptBy(method({ last: 10 })).entries()) {
      const scores = received(head, 0).map((mass, t) => {
        const row = v.subarray((head * tokens + t) * headDim, (head * tokens + t + 1) * headDim)
        return mass * row.reduce((sum, x) => sum + Math.abs(x), 0)
      })
      const open = best(scores, range(4, 110), 26)
      expect([...kept]).toEqual([...range(0, 4), ...open, ...range(110, 120)].sort((a, b) => a - b))
    }
  })

  test('runs in the engine', () => expectInEngine(method({ last: 10 })))
})

describe('chunks', async () => {
  const { lines, method } = await fromGuide('chunks')
  testPruner({ test, pruner: method })

  test('is in the guide in under 25 lines and keeps whole chunks, the best ones', () => {
    expect(lines).toBeLessThan(25)
    for (const [head, kept] of keptBy(method({ window: 10, chunk: 10 })).entries()) {
      const mass = received(head, 110)
      const means = range(0, 11).map((c) => range(10 * c, 10 * c + 10).reduce((sum, t) => sum + mass[t]!, 0))
      const chosen = best(means, range(0, 11), 3).sort((a, b) => a - b)
      expect([...kept]).toEqual([...chosen.flatMap((c) => range(10 * c, 10 * c + 10)), ...range(110, 120)])
    }
  })

  test('runs in the engine', () => expectInEngine(method({ window: 10, chunk: 10 })))
})
