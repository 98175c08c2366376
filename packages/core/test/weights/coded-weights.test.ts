import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../../src/index.ts'

const ids = Int32Array.from({ length: 60 }, (_, i) => (i * 37) % 500)

/** Mean KL divergence from the first logits' distributions to the second's, in nats per position. */
function divergence(from: Float32Array, to: Float32Array, vocab: number): number {
  const logSoftmax = (row: Float32Array) => {
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const sum = row.reduce((total, x) => total + Math.exp(x - most), 0)
    return row.map((x) => x - most - Math.log(sum))
  }
  let total = 0
  for (let at = 0; at < from.length; at += vocab) {
    const [p, q] = [from, to].map((logits) => logSoftmax(logits.slice(at, at + vocab)))
    p?.forEach((x, i) => (total += Math.exp(x) * (x - (q?.[i] ?? 0))))
  }
  return total / (from.length / vocab)
}

async function measure(weights: 'stored' | 'int8' | 'int4') {
  const model = await loadModel(modelFolder, { weights })
  try {
    const { logits } = await model.logits(ids)
    return { logits, bytes: model.weightBytes, vocab: model.config.vocabSize }
  } finally {
    await model.dispose()
  }
}

describe('weights in codes', () => {
  it('take about half and less of the bytes and change logits little, 8 bits less than 4', async () => {
    const [stored, int8, int4] = [await measure('stored'), await measure('int8'), await measure('int4')]
    expect(int8.bytes / stored.bytes).toBeLessThan(0.58)
    expect(int4.bytes).toBeLessThan(0.85 * int8.bytes)
    const [small, large] = [int8, int4].map(({ logits }) => divergence(stored.logits, logits, stored.vocab))
    expect(small).toBeLessThan(0.01)
    expect(small).toBeLessThan((large ?? 0) / 5)
    expect(large).toBeLessThan(0.5)
  })

  it('are refused where misspelled', async () => {
    await expect(loadModel(modelFolder, { weights: 'int5' as never })).rejects.toMatchObject({
      code: 'KV_INVALID_OPTION',
    })
  })
})
