import type { Context, Model } from '@qpkv/core'
import type { CompressionSpec } from '@qpkv/spec'
import type { HostProbe } from './host-probe.ts'

/** Middle value; NaN for none. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

/** Seeded token ids in [0, vocab). */
export function randomIds(count: number, vocab: number, seed = 1): Int32Array {
  let state = seed >>> 0
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % vocab
  })
}

export interface DecodeRow {
  readonly spec: string
  /** Median milliseconds per token over the rounds that count. */
  readonly milliseconds: number
  /** Median over rounds of this row's time over the first row's, measured side by side. */
  readonly ratio: number
  readonly bytes: number
}

/** Milliseconds per token of `steps` single-token appends. */
async function timeSteps(context: Context, steps: number, vocab: number): Promise<number> {
  const ids = randomIds(steps, vocab, 7)
  const before = performance.now()
  for (const id of ids) await context.append(Int32Array.of(id))
  return (performance.now() - before) / steps
}

/** Times decode over several caches in turn, round by round; a round counts when the host gave two cores before and after it. */
export async function measureDecode(
  model: Model,
  contexts: readonly { spec: string; context: Context }[],
  probe: HostProbe | undefined,
  { rounds, steps }: { rounds: number; steps: number },
): Promise<{ rows: DecodeRow[]; counted: number }> {
  const times = contexts.map((): number[] => [])
  for (const { context } of contexts) await timeSteps(context, 2, model.config.vocabSize)
  let counted = 0
  for (let round = 0; round < rounds; round++) {
    const before = await probe?.measure()
    const inRound: number[] = []
    for (const { context } of contexts) inRound.push(await timeSteps(context, steps, model.config.vocabSize))
    const after = await probe?.measure()
    if (before?.good === false || after?.good === false) continue
    counted++
    inRound.forEach((ms, index) => times[index]?.push(ms))
  }
  const first = times[0] ?? []
  const rows = contexts.map(({ spec, context }, index) => ({
    spec,
    milliseconds: median(times[index] ?? []),
    ratio: median((times[index] ?? []).map((ms, round) => ms / (first[round] ?? NaN))),
    bytes: context.bytes,
  }))
  return { rows, counted }
}

/** One prompt through all layers, compressed under every spec. */
export async function measurePrefill(
  model: Model,
  tokens: number,
  specs: readonly CompressionSpec[],
): Promise<{ seconds: number; contexts: Context[] }> {
  const ids = randomIds(tokens, model.config.vocabSize)
  const before = performance.now()
  const contexts = await model.prefill(ids, { compression: specs })
  return { seconds: (performance.now() - before) / 1000, contexts }
}
