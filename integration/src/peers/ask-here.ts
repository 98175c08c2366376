import { divergence, mean } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import type { CompressionSpec } from '@qpkv/spec'

/** What a compressed prompt answers, beside the full cache along the full cache's own answer. */
export interface Outcome {
  readonly answer: readonly number[]
  /** Mean nats per token. */
  readonly kl: number
  readonly top1: number
}

export interface PeerPrompt {
  readonly ids: readonly number[]
  readonly question: readonly number[]
}

/** The text compressed alone, then the question: kept positions [layers][heads], the greedy answer, and the distance from the full cache. */
export async function askHere(
  model: Model,
  { ids, question }: PeerPrompt,
  compression: CompressionSpec,
  fullAnswer: readonly number[],
  answerTokens: number,
): Promise<Outcome & { readonly kept: Int32Array[][] }> {
  const [full, context] = await model.prefill([...ids], {
    compression: [{}, compression],
    onWarning: () => undefined,
  })
  if (!full || !context) throw new Error('unreachable')
  try {
    const { layers, kvHeads } = model.facts
    const kept = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: kvHeads }, (_, head) => context.positions(layer, head)),
    )
    await using other = context.fork()
    await other.append([...question])
    const { tokens } = await other.generate({ maxTokens: answerTokens, temperature: 0, stopTokens: [] })
      .result
    const told = [...question, ...fullAnswer.slice(0, -1)]
    const [exact, own] = [await full.appendLogits(told), await context.appendLogits(told)]
    return { kept, answer: tokens, ...distance(exact, own, told.length, question.length - 1) }
  } finally {
    await Promise.all([full.dispose(), context.dispose()])
  }
}

/** KL and equal likeliest tokens, means over rows from `from` on. */
function distance(exact: Float32Array, own: Float32Array, rows: number, from: number) {
  const vocab = exact.length / rows
  const row = (all: Float32Array, i: number) => all.subarray(i * vocab, (i + 1) * vocab)
  const each = Array.from({ length: rows - from }, (_, i) =>
    divergence(row(own, from + i), row(exact, from + i)),
  )
  return { kl: mean(each.map(({ kl }) => kl)), top1: mean(each.map(({ agrees }) => (agrees ? 1 : 0))) }
}
