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
  let [kl, same] = [0, 0]
  for (let row = from; row < rows; row++) {
    const [a, b] = [exact, own].map((all) => logProbabilities(all.subarray(row * vocab, (row + 1) * vocab)))
    if (!a || !b) continue
    for (const [i, log] of a.entries()) kl += Math.exp(log) * (log - (b[i] ?? NaN))
    same += likeliest(a) === likeliest(b) ? 1 : 0
  }
  return { kl: kl / (rows - from), top1: same / (rows - from) }
}

function logProbabilities(row: Float32Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
  const sum = row.reduce((total, value) => total + Math.exp(value - most), 0)
  return Float64Array.from(row, (value) => value - most - Math.log(sum))
}

const likeliest = (row: Float64Array) => row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity))
