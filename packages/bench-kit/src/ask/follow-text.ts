import type { BenchContext } from './bench-model.ts'
import { tokenLosses } from './token-losses.ts'

/** Tokens fed at once: logits of so many rows are in memory, per spec, [CHUNK, vocab] in float32. */
const CHUNK = 16

/** What a compressed cache makes of a known text, in nats per token; means over its tokens but the first. */
export interface Followed {
  /** Share of tokens at which the likeliest next token is that of the full cache. */
  readonly top1: number
  /** Kullback-Leibler divergence of the next token's distribution from that of the full cache. */
  readonly kl: number
  /** Negative log likelihood of the text; its exponential is the perplexity. */
  readonly nll: number
  /** `nll` minus that of the full cache. */
  readonly excessNll: number
  readonly ms: number
}

/**
 * Feeds a text to contexts of one prompt and compares each with the full one, in steps of a few tokens for all of them: the text passes
 * once. The first token is given, since its logits come from the prompt's exact prefill and tell nothing of the cache.
 * @param full the context without compression
 * @returns one result per context, in order
 */
export async function followText(
  contexts: readonly BenchContext[],
  full: BenchContext,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<Followed[]> {
  const sums = contexts.map(() => ({ top1: 0, kl: 0, nll: 0, fullNll: 0, ms: 0 }))
  const scored = ids.length - 1
  for (let from = 0; from < scored; from += CHUNK) {
    const fed = ids.slice(from, Math.min(from + CHUNK, scored))
    const next = ids.slice(from + 1, from + 1 + fed.length)
    const exact = await full.appendLogits(fed, { signal })
    for (const [i, context] of contexts.entries()) {
      const sum = sums[i]
      if (!sum) continue
      const started = performance.now()
      const logits = await context.appendLogits(fed, { signal })
      sum.ms += performance.now() - started
      for (const loss of tokenLosses(logits, exact, next)) {
        sum.top1 += loss.agrees ? 1 : 0
        sum.kl += loss.kl
        sum.nll += loss.nll
        sum.fullNll += loss.fullNll
      }
    }
  }
  return sums.map(({ top1, kl, nll, fullNll, ms }) => ({
    top1: top1 / scored,
    kl: kl / scored,
    nll: nll / scored,
    excessNll: (nll - fullNll) / scored,
    ms,
  }))
}
