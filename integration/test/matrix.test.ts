import { readFileSync, writeFileSync } from 'node:fs'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec, planBytes, printSpec, resolve, type CompressionSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportTiles, scrambleTiles } from '../../packages/core/test/support/probe.ts'
import { coverPairs } from './covering-design.ts'
import {
  allocators,
  BUDGET_TOKENS,
  designCells,
  overspends,
  probe,
  pruners,
  quantizers,
  sharings,
  textsWith,
  withOptions,
} from './matrix-cells.ts'

/*
 * Score x allocator x sharing x quantizer x {kv, query} heads x {uniform, layer overrides}, generated from the registry, on
 * the reference model. Every pair of levels of two of these stands in some cell (covering-design.ts), and tiers of both kinds
 * beside every level of every other factor that goes with them; the whole product is
 * matrix-product.test.ts. How many of 20 needles each cell of the design finds is recorded in
 * matrix-needles.json; `RECORD_MATRIX=1` writes it anew.
 */

const all = designCells()
/** Probing a context that a query-aware pruner made is meant here. */
const quiet = () => {}

let model: Model
let single: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 2, methods: registry })
  single = await loadModel(modelFolder, { threads: 1, methods: registry })
})
afterAll(async () => {
  await model.dispose()
  await single.dispose()
})

test('the matrix has a cell for every pair of levels', () => {
  const rows = coverPairs([pruners, quantizers, allocators, sharings])
  for (const pruner of pruners)
    for (const quantizer of quantizers)
      expect(rows.some((row) => row[0] === pruner && row[1] === quantizer)).toBe(true)
  for (const allocator of allocators)
    for (const sharing of sharings)
      expect(rows.some((row) => row[2] === allocator && row[3] === sharing)).toBe(true)
  expect(rows.length).toBeLessThan(1.2 * pruners.length * Math.max(allocators.length, quantizers.length))
})

test.each(all)('$text round-trips through text and JSON with the same plan', ({ text }) => {
  const spec = parseSpec(text)
  expect(parseSpec(printSpec(spec))).toEqual(spec)
  const again = JSON.parse(JSON.stringify(spec)) as CompressionSpec
  const prompt = { tokens: 400 }
  expect(resolve(again, registry, model.facts, prompt)).toEqual(resolve(spec, registry, model.facts, prompt))
})

test('every score goes with every allocator and every sharing, and runs', async () => {
  const own = (names: readonly string[]) => names.filter((name) => name !== '')
  const texts = pruners
    .filter((name) => name !== 'none')
    .flatMap((pruner) =>
      own(allocators).flatMap((allocator) =>
        own(sharings).map(
          (sharing) => `${withOptions(pruner)}~${withOptions(allocator)}~${sharing}+none@${BUDGET_TOKENS}t`,
        ),
      ),
    )
  const [sample] = textsWith(model, 1)
  const list = await model.prefill(sample?.prompt ?? '', { compression: texts, onWarning: quiet })
  expect(list).toHaveLength(texts.length)
  for (const [index, context] of list.entries()) {
    const { bytes, kept } = context.report
    expect(bytes.allocated, texts[index]).toBe(bytes.planned)
    expect(
      // Where all layers share slots a head may end without any.
      kept.flat().some((count) => count > 0) &&
        (texts[index]!.includes('model-wide') || kept.flat().every((count) => count > 0)),
      texts[index],
    ).toBe(true)
    expect((await probe(context)).every(Number.isFinite), texts[index]).toBe(true)
    await context.dispose()
  }
}, 120_000)

describe('on the reference model', () => {
  const contexts = new Map<string, Context>()
  const probes = new Map<string, Float32Array>()
  beforeAll(async () => {
    const [sample] = textsWith(model, 1)
    const list = await model.prefill(sample?.prompt ?? '', {
      compression: all.map(({ text }) => text),
      onWarning: quiet,
    })
    for (const [index, { text }] of all.entries()) {
      contexts.set(text, list[index] as Context)
      probes.set(text, await probe(list[index] as Context))
    }
  }, 120_000)
  afterAll(async () => {
    for (const context of contexts.values()) await context.dispose()
  })

  test.each(all)('$text allocates its final plan, within budget, without NaN', ({ text }) => {
    const { plan, bytes, kept, spentNominal } = (contexts.get(text) as Context).report
    expect(bytes.allocated).toBe(bytes.planned)
    expect(planBytes(plan, model.facts).total).toBe(bytes.planned)
    if (!overspends(text)) expect(spentNominal).toBeLessThanOrEqual(1 + 1e-9)
    expect(kept.flat().every((count) => count > 0)).toBe(true)
    expect(probes.get(text)?.every(Number.isFinite)).toBe(true)
  })

  test('bit-equal with one thread', async () => {
    const [sample] = textsWith(single, 1)
    const list = await single.prefill(sample?.prompt ?? '', {
      compression: all.map(({ text }) => text),
      onWarning: quiet,
    })
    for (const [index, { text }] of all.entries()) {
      const context = list[index] as Context
      expect(await probe(context), text).toEqual(probes.get(text))
      await context.dispose()
    }
  }, 120_000)

  test('noise over the packed tiles changes the answer', async () => {
    for (const { text, quantizer } of all) {
      const context = contexts.get(text) as Context
      const packed = context.report.plan.layers.some(({ segments }) =>
        segments.some(({ key }) => key.bits !== 16),
      )
      expect(packed, text).toBe(quantizer !== 'none')
      if (!packed) continue
      scrambleTiles(context, 1)
      expect(await probe(context), text).not.toEqual(probes.get(text))
    }
  })

  const uniform = all.filter(({ plain }) => plain)

  test('pruners keep different tokens: the keys that are left in 16 bit', () => {
    const exact = uniform.filter(({ quantizer }) => quantizer === 'none')
    // Layer 1, head 0: in layer 0 a key hardly depends on where its token stands.
    const keys = exact.map(({ text }) => {
      const { tokens, key } = exportTiles(contexts.get(text) as Context, 1, 0)
      expect(
        key.reduce((sum, part) => sum + part.tokens, 0),
        text,
      ).toBe(tokens)
      return key.map(({ values }) => values.join()).join()
    })
    expect(new Set(keys).size).toBe(pruners.length)
  })

  test('quantizers take different bytes for the same tokens', () => {
    const whole = uniform.filter(({ pruner }) => pruner === 'none')
    const bytes = whole.map(({ text }) => contexts.get(text)?.report.bytes.planned)
    expect(new Set(bytes).size).toBe(quantizers.length)
  })
})

const recordFile = new URL('matrix-needles.json', import.meta.url)
/** Rounding of another op table moves single answers. */
const MOVED_ANSWERS = 3

test('every cell is asked 20 needles and finds as many as recorded', async () => {
  const right = Object.fromEntries(all.map(({ text }) => [text, 0]))
  for (const { prompt, questions } of textsWith(model, 20, 1)) {
    const list = await model.prefill(prompt, { compression: all.map(({ text }) => text), onWarning: quiet })
    for (const [index, { text }] of all.entries()) {
      const context = list[index] as Context
      const { text: reply } = await context.generate({ maxTokens: 10, temperature: 0 }).result
      if (reply.startsWith(` ${questions[0]?.answer}.`)) right[text] = (right[text] ?? 0) + 1
      await context.dispose()
    }
  }
  if (process.env['RECORD_MATRIX'] !== undefined)
    writeFileSync(recordFile, `${JSON.stringify({ asked: 20, right }, null, 2)}\n`)
  const recorded = JSON.parse(readFileSync(recordFile, 'utf8')) as { right: Record<string, number> }
  // Every recorded cell is still there; a method that was just made has no record yet.
  expect(Object.keys(right)).toEqual(expect.arrayContaining(Object.keys(recorded.right)))
  const moved = all.filter(
    ({ text }) => Math.abs((right[text] ?? 0) - (recorded.right[text] ?? right[text] ?? 0)) > MOVED_ANSWERS,
  )
  expect(moved.map(({ text }) => `${text}: ${right[text]}, recorded ${recorded.right[text]}`)).toEqual([])
  // The full cache answers; a cache without pruning at 8 or 4 bit too.
  expect(right['none+none']).toBeGreaterThanOrEqual(19)
  expect(right['none+int8']).toBeGreaterThanOrEqual(19)
  expect(right['none+kivi']).toBeGreaterThanOrEqual(18)
}, 600_000)
