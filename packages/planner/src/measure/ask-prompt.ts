import { divergence, prefillRows, type BenchContext, type BenchModel, type Divergence } from '@qpkv/bench-kit'
import { findsNeedle, type Model } from '@qpkv/core'
import { checkSpec, type CompressionSpec } from '@qpkv/spec'
import type { PlanPrompt, PlanQuestion } from '../cases/plan-case.ts'
import type { PromptOutcome } from './outcome.ts'

/** The full cache's greedy answer to a question: its tokens up to the end of the number, and the logits before each. */
interface FullAnswer {
  readonly tokens: readonly number[]
  readonly rows: readonly Float32Array[]
}

/** What asking reports, and when it stops. */
export interface Asking {
  readonly signal: AbortSignal
  /** Looked at before each spec but the first: whether there is no time for it. */
  readonly late?: () => boolean
  /** How many questions the full cache answers. */
  readonly onFull?: (found: number) => void
  /** Spec by spec; undefined where one failed on the prompt. */
  readonly onOutcome: (at: number, outcome: PromptOutcome | undefined) => void
}

const FULL = checkSpec({})
/** Tokens that an answer may take beside its digits. */
const SPARE = 4
/** Tokens fed at once: logits of so many rows of a spec are in memory, [CHUNK, vocab] in float32. */
const CHUNK = 16

/** Compresses a prompt under all specs in one pass beside the full cache; then each is asked, and the text goes on. */
export async function askPrompt(
  model: Model,
  { ids, userEnd, questions, follows }: PlanPrompt,
  specs: readonly CompressionSpec[],
  { signal, late, onFull, onOutcome }: Asking,
): Promise<void> {
  const rows = [...specs, FULL].map((spec) => ({ label: '', spec }))
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
    onFull?.(answers.filter((answer) => answer !== undefined).length)
    const fed = follows.slice(0, -1)
    const next = fed.length === 0 ? new Float32Array() : await full.appendLogits(fed, { signal })
    for (const at of specs.keys()) {
      if (at > 0 && late?.() === true) return
      const context = contexts[at]
      if (!context || 'error' in context) onOutcome(at, undefined)
      else {
        const asked = await Promise.all(
          answers.flatMap((answer, i) => (answer ? [compare(context, questions[i]!, answer, signal)] : [])),
        )
        const followed = await followOn(context, fed, next, signal)
        onOutcome(at, outcomeOf(asked, followed))
      }
    }
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

/** The full cache's answer, fed to a compressed one: token by token, how far that is from giving it. */
async function compare(
  context: BenchContext,
  { text }: PlanQuestion,
  { tokens, rows }: FullAnswer,
  signal: AbortSignal,
): Promise<{ readonly kept: boolean; readonly counted: readonly Divergence[] }> {
  const own = context.fork()
  try {
    if (text !== '') await own.append(text, { signal })
    const mine = await rowsOf(own, tokens, signal)
    const each = mine.map((row, i) => divergence(row, rows[i] ?? row))
    // What follows a prompt at once comes from its exact prefill and says nothing of the cache.
    return { kept: each.every(({ agrees }) => agrees), counted: text === '' ? each.slice(1) : each }
  } finally {
    await own.dispose()
  }
}

/** The text that follows, fed to a compressed cache. `exact`: the full cache's logits after each of its tokens, [fed, vocab]. */
async function followOn(
  context: BenchContext,
  fed: readonly number[],
  exact: Float32Array,
  signal: AbortSignal,
): Promise<Divergence[]> {
  const vocab = exact.length / fed.length
  const row = (of: Float32Array, at: number) => of.subarray(at * vocab, (at + 1) * vocab)
  const followed: Divergence[] = []
  for (let from = 0; from < fed.length; from += CHUNK) {
    const chunk = fed.slice(from, from + CHUNK)
    const mine = await context.appendLogits(chunk, { signal })
    for (const i of chunk.keys()) followed.push(divergence(row(mine, i), row(exact, from + i)))
  }
  return followed
}

function outcomeOf(
  asked: readonly Awaited<ReturnType<typeof compare>>[],
  followed: readonly Divergence[],
): PromptOutcome {
  const all = [...asked.flatMap(({ counted }) => counted), ...followed]
  return {
    kept: asked.map(({ kept }) => (kept ? 1 : 0)),
    tokens: all.length,
    kl: all.reduce((sum, { kl }) => sum + kl, 0),
    agreeing: all.filter(({ agrees }) => agrees).length,
  }
}
