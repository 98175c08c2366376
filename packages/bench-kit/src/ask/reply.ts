import type { BenchContext, BenchTokenizer } from './bench-model.ts'

/** When a reply ends. Always greedy. */
export interface ReplyRule {
  readonly maxTokens: number
  /** Ids that end it. */
  readonly stopTokens: readonly number[]
  /** Texts that end it and are no part of it. */
  readonly stop?: readonly string[]
  /** 1: the first token must not end the reply; the likeliest other one is taken (min_length of the papers' codes). */
  readonly minTokens?: 0 | 1
}

/** The greedy reply of a context under a rule. */
export async function replyOf(
  context: BenchContext,
  { maxTokens, stopTokens, stop = [], minTokens = 0 }: ReplyRule,
  tokenizer: BenchTokenizer,
  signal: AbortSignal,
): Promise<string> {
  const options = { temperature: 0, stopTokens, stop, signal }
  const forced = minTokens > 0 ? await firstAllowed(context, stopTokens) : undefined
  if (forced === undefined) return (await context.generate({ ...options, maxTokens }).result).text
  await context.append([forced], { signal })
  const begin = tokenizer.decode([forced])
  if (maxTokens === 1) return begin
  return begin + (await context.generate({ ...options, maxTokens: maxTokens - 1 }).result).text
}

/** The likeliest token that does not end the reply, where the likeliest of all would; undefined where it would not. */
async function firstAllowed(
  context: BenchContext,
  stopTokens: readonly number[],
): Promise<number | undefined> {
  const logits = await context.logits()
  if (!stopTokens.includes(argmax(logits))) return undefined
  for (const id of stopTokens) logits[id] = -Infinity
  return argmax(logits)
}

/** Ties go to the lower index, as in the engine. */
function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i
  return best
}
