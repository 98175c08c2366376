import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stratifiedMean } from '@qpkv/bench-kit'
import { loadModel, type WeightsMode } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { expect, it, onTestFinished } from 'vitest'
import { divergence, logitsOf, ownTexts } from '../src/weight-quality/divergence.ts'
import { q4_0, q8_0, roundLikeGguf } from '../src/weight-quality/round-like-gguf.ts'

it("weights in 8 bits change next tokens hardly, in 4 bits no more than GGUF's Q4_0 of the same weights", async () => {
  await using stored = await loadModel(modelFolder, { weights: 'stored', threads: 2 })
  const texts = await ownTexts(stored, 12, 128)
  const wanted = await logitsOf(stored, texts)
  const { vocabSize } = stored.config
  const measure = async (folder: string, weights: WeightsMode) => {
    await using model = await loadModel(folder, { weights, threads: 2 })
    const logits = await logitsOf(model, texts)
    const each = wanted.map((one, i) => divergence([one], logits.slice(i, i + 1), vocabSize))
    const mean = (of: 'kl' | 'top1') => each.reduce((sum, text) => sum + text[of], 0) / each.length
    return { kl: mean('kl'), top1: mean('top1'), ofText: each.map(({ kl }) => kl) }
  }
  const copy = mkdtempSync(join(tmpdir(), 'qpkv-rounded-'))
  onTestFinished(() => {
    rmSync(copy, { recursive: true })
  })
  roundLikeGguf(modelFolder, copy)
  const int8 = await measure(modelFolder, 'int8')
  const int4 = await measure(modelFolder, 'int4')
  const peer = await measure(copy, 'stored')
  expect(int8.kl).toBeGreaterThan(0) // they are rounded
  expect(int8.kl).toBeLessThan(int4.kl / 10)
  expect(int8.top1).toBeGreaterThan(0.98)
  expect(int4.top1).toBeGreaterThan(0.93)
  // Text by text: int4 is not clearly worse.
  const { low } = stratifiedMean([int4.ofText.map((kl, i) => kl - (peer.ofText[i] ?? NaN))])
  expect(low).toBeLessThanOrEqual(0)
}, 60_000)

it("blocks are rounded as GGUF's writers round", () => {
  const block = Float32Array.from({ length: 32 }, (_, i) => (i - 20) / 16)
  const four = Float32Array.from(block)
  q4_0(four)
  expect(four[0]).toBe(-1.25) // the extreme is code -8 of scale 0.15625 exactly
  expect(four[20]).toBe(0)
  expect(four[31]).toBeCloseTo(0.625, 6) // 0.6875 is 4.4 steps, rounded to 4
  const eight = Float32Array.from(block)
  q8_0(eight)
  for (const [i, x] of eight.entries())
    expect(Math.abs(x - (block[i] ?? 0))).toBeLessThan(1.25 / 127 / 2 + 1e-4)
  const zeros = new Float32Array(32)
  q4_0(zeros)
  expect(zeros.every((x) => x === 0)).toBe(true)
})
