import { storedHeads, type ModelFacts, type Resolved } from '@qpkv/spec'

/** What an allocator that measures could be given: positive numbers that differ from layer to layer by orders of magnitude. */
export function measuredFor({ measuring }: Resolved, model: ModelFacts): Float32Array[] | undefined {
  if (measuring === undefined) return undefined
  const rows = storedHeads(measuring.heads, model) * measuring.promptTokens
  return measuring.layers.map(({ stages }, l) =>
    Float32Array.from(
      { length: stages.length * rows },
      (_, i) => 10 ** (-l % 4) * (((i * 7919) % 1009) / 1009) ** 4,
    ),
  )
}
