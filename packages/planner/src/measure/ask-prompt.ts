import { divergence, followText, prefillRows, type BenchContext, type BenchModel } from '@qpkv/bench-kit'
import { findsNeedle, type Model } from '@qpkv/core'
import { checkSpec, type CompressionSpec } from '@qpkv/spec'
import type { PlanPrompt, PlanQuestion } from '../cases/plan-case.ts'
import type { Tally } from './outcome.ts'

/** The full cache's greedy answer to a question: its tokens up to the end of the number, and the logits before each. */
interface FullAnswer {
  readonly tokens: readonly number[]
  readonly rows: readonly Float32Array[]
}

const FULL = checkSpec({})
/** Tokens that an answer may take beside its digits. */
const SPARE = 4

/**
 * Compresses a prompt under all specs in one pass beside the full cache, asks, and lets the text go on.
 * @param tallies one per spec; undefined afterwards where a spec failed on the prompt
 * @returns how many questions the full cache answers
 */
export async function askPrompt(
  model: Model,
  prompt: PlanPrompt,
  specs: readonly CompressionSpec[],
  tallies: (Tally | undefined)[],
  signal: AbortSignal,
): Promise<number> {
  const rows = [...specs, FULL].map((spec) => ({ label: '', spec }))
  const { ids, userEnd, questions, follows } = prompt
  const prefill = (compression: readonly CompressionSpec[]) =>
    model.prefill([...ids], {
      compression,
      signal,
      onWarning: () => undefined,
      ...(userEnd !== undefined && { userEnd }),
    })
  const contexts = await prefillRows(rows, prefill, (spec) => model.estimate(ids.length, [spec]))
  const alive = contexts.flatMap((context) => ('error' in context ? [] : [context]))
  try {
    const full = contexts.at(-1)
    if (!full || 'error' in full) throw full?.error
    const answers = await Promise.all(questions.map((question) => answerOf(model, full, question, signal)))
    const compressed: { context: BenchContext; tally: Tally }[] = []
    for (const [i] of specs.entries()) {
      const context = contexts[i]
      const tally = tallies[i]
      if (!context || 'error' in context) tallies[i] = undefined
      else if (tally) compressed.push({ context, tally })
    }
    for (const { context, tally } of compressed)
      await Promise.all(
        answers.flatMap((answer, i) =>
          answer ? [compare(context, questions[i]!, answer, tally, signal)] : [],
        ),
      )
    if (follows.length > 1) {
      const followed = await followText(
        compressed.map(({ context }) => context),
        full,
        follows,
        signal,
      )
      for (const [i, one] of followed.entries()) compressed[i]?.tally.add(follows.length - 1, one)
    }
    return answers.filter((answer) => answer !== undefined).length
  } finally {
    await Promise.all(alive.map((context) => context.dispose()))
  }
}

/** Undefined where the full cache does not find the number. */
async function answerOf(
  model: Pick<BenchModel, 'tokenizer'>,
  full: BenchContext,
  { needle, text }: PlanQuestion,
  signal: AbortSignal,
): Promise<FullAnswer | undefined> {
  const { tokenizer } = model
  if (!tokenizer) return undefined
  const asked = full.fork()
  const fed = full.fork()
  try {
    if (text !== '') await Promise.all([asked.append(text, { signal }), fed.append(text, { signal })])
    const maxTokens = tokenizer.encode(` ${needle.value}`, { special: false }).length + SPARE
    const { text: reply, tokens } = (await asked.generate({ maxTokens, temperature: 0, signal }).result) as {
      text: string
      tokens: readonly number[]
    }
    if (!findsNeedle(reply, needle)) return undefined
    const length =
      tokens.findIndex((_, i) => findsNeedle(tokenizer.decode(tokens.slice(0, i + 1)), needle)) + 1
    const kept = tokens.slice(0, Math.max(1, length))
    return { tokens: kept, rows: await rowsOf(fed, kept, signal) }
  } finally {
    await Promise.all([asked.dispose(), fed.dispose()])
  }
}

/** Logits before each of these tokens, the first of them next. */
async function rowsOf(
  context: BenchContext,
  tokens: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const first = await context.logits()
  if (tokens.length === 1) return [first]
  const later = await context.appendLogits(tokens.slice(0, -1), { signal })
  return [first, ...tokens.slice(1).map((_, i) => later.subarray(i * first.length, (i + 1) * first.length))]
}

/** The full cache's answer, fed to a compressed one: it would have given the same where every token of it is the likeliest. */
async function compare(
  context: BenchContext,
  { text }: PlanQuestion,
  { tokens, rows }: FullAnswer,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const own = context.fork()
  try {
    if (text !== '') await own.append(text, { signal })
    const mine = await rowsOf(own, tokens, signal)
    const each = mine.map((row, i) => divergence(row, rows[i] ?? row))
    tally.answer(each.every(({ agrees }) => agrees))
    // What follows a prompt at once comes from its exact prefill and says nothing of the cache.
    const counted = text === '' ? each.slice(1) : each
    for (const { kl, agrees } of counted) tally.add(1, { kl, top1: agrees ? 1 : 0 })
  } finally {
    await own.dispose()
  }
}
