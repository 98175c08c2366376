import { divergence as rowDivergence, mean } from '@qpkv/bench-kit'
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
  const each = from.flatMap((logits, i) =>
    Array.from({ length: logits.length / vocabSize }, (_, at) => {
      const row = (all: Float32Array) => all.subarray(at * vocabSize, (at + 1) * vocabSize)
      return rowDivergence(row(to[i] ?? new Float32Array()), row(logits))
    }),
  )
  return {
    kl: mean(each.map(({ kl }) => kl)),
    top1: mean(each.map(({ agrees }) => (agrees ? 1 : 0))),
    positions: each.length,
  }
}
