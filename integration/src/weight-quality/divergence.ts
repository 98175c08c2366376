import type { Model } from '@qpkv/core'

/** How far a model's next-token distributions lie from another's on the same texts. */
export interface Divergence {
  /** Mean over positions of KL(other || model), in nats. */
  readonly kl: number
  /** Share of positions with the same likeliest token. */
  readonly top1: number
  readonly positions: number
}

/** Texts that a model writes itself: token ids, sampled at temperature 1 from seeds. Any model has such texts, a tokenizer or not. */
export async function ownTexts(model: Model, count: number, tokens: number): Promise<Int32Array[]> {
  const texts: Int32Array[] = []
  const start = Math.min(1, model.config.vocabSize - 1)
  for (let seed = 0; seed < count; seed++) {
    const ids = [start]
    while (ids.length < tokens) {
      await using context = await model.prefill(Int32Array.from(ids))
      const { tokens: more } = await context.generate({
        maxTokens: tokens - ids.length,
        temperature: 1,
        topK: 0,
        topP: 1,
        minP: 0,
        repetitionPenalty: 1,
        seed: 1000 * seed + ids.length,
        stopTokens: [],
      }).result
      ids.push(...more)
    }
    texts.push(Int32Array.from(ids))
  }
  return texts
}

export async function logitsOf(model: Model, texts: readonly Int32Array[]): Promise<Float32Array[]> {
  const all: Float32Array[] = []
  for (const ids of texts) all.push((await model.logits(ids)).logits)
  return all
}

export function divergence(
  from: readonly Float32Array[],
  to: readonly Float32Array[],
  vocabSize: number,
): Divergence {
  let kl = 0
  let same = 0
  let positions = 0
  for (const [i, logits] of from.entries())
    for (let at = 0; at < logits.length; at += vocabSize) {
      const p = logSoftmax(logits.subarray(at, at + vocabSize))
      const q = logSoftmax(to[i]?.subarray(at, at + vocabSize) ?? new Float32Array())
      for (const [token, log] of p.entries()) kl += Math.exp(log) * (log - (q[token] ?? NaN))
      if (likeliest(p) === likeliest(q)) same++
      positions++
    }
  return { kl: kl / positions, top1: same / positions, positions }
}

function logSoftmax(row: Float32Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
  const sum = row.reduce((total, x) => total + Math.exp(x - most), 0)
  return Float64Array.from(row, (x) => x - most - Math.log(sum))
}

const likeliest = (row: Float64Array): number =>
  row.reduce((best, x, i) => (x > (row[best] ?? -Infinity) ? i : best), 0)
