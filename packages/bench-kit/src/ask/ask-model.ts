import { atPlace, KvError, parseSpec, type CompressionSpec } from '@qpkv/spec'
import type { Answer, Measurement } from '../result/record.ts'
import type { Ask, AskFailure, AskResult, NamedSpec } from '../run/run-samples.ts'
import type { BenchContext, BenchModel } from './bench-model.ts'
import { tokenizerOf } from './encode-prompt.ts'
import { followText } from './follow-text.ts'
import { prefillRows } from './prefill-rows.ts'
import type { BenchPrompt, Question } from './question.ts'
import { replyOf } from './reply.ts'
import type { BenchSample } from './sample.ts'

/** How a benchmark puts its samples and judges replies. */
export interface Asking<Sample extends BenchSample> {
  readonly model: BenchModel
  readonly ask: (sample: Sample) => BenchPrompt | Promise<BenchPrompt>
  readonly score: (reply: string, question: Question, sample: Sample) => Readonly<Record<string, number>>
}

/**
 * Asks a sample under every spec at once: one prefill, one context per spec, greedy answers. Several questions are asked of a fork each, a
 * single one of the context itself. A spec that fails on a sample fails alone; the others go on.
 */
export function askModel<Sample extends BenchSample>(asking: Asking<Sample>): Ask<Sample> {
  return async (sample, rows, signal) => {
    try {
      return await askSample(asking, sample, rows, signal)
    } catch (error) {
      throw placed(error, sample.place)
    }
  }
}

async function askSample<Sample extends BenchSample>(
  { model, ask, score }: Asking<Sample>,
  sample: Sample,
  rows: readonly NamedSpec[],
  signal: AbortSignal,
): Promise<(AskResult | AskFailure)[]> {
  const prompt = await ask(sample)
  const { ids, userEnd, follows } = prompt
  const prefill = (compression: readonly CompressionSpec[]) =>
    model.prefill(ids, {
      compression,
      signal,
      // That a question follows is the protocol; it needs no warning.
      onWarning: () => undefined,
      ...(userEnd === undefined ? {} : { userEnd }),
    })
  const resolve = (spec: CompressionSpec) => model.estimate(ids.length, [spec])
  const contexts = await prefillRows(follows ? [...rows, full] : rows, prefill, resolve)
  try {
    if (follows) return await askToFollow(contexts, follows, sample, rows, signal)
    const results: (AskResult | AskFailure)[] = []
    for (const [i, context] of contexts.entries()) {
      if ('error' in context) results.push({ error: placed(context.error, sample.place) })
      else
        results.push(
          await askContext(model, context, prompt, sample, rows[i]?.spec, score, signal).catch(
            (error: unknown) => {
              if (signal.aborted) throw error
              return { error: placed(error, sample.place) }
            },
          ),
        )
    }
    return results
  } finally {
    await Promise.all(contexts.flatMap((context) => ('error' in context ? [] : [context.dispose()])))
  }
}

/** What compressed caches are compared with. */
const full: NamedSpec = { label: 'full', spec: parseSpec('none+none') }

/** The last context is the full one; the others are those of the rows. */
async function askToFollow(
  contexts: readonly (BenchContext | AskFailure)[],
  follows: readonly number[],
  sample: BenchSample,
  rows: readonly NamedSpec[],
  signal: AbortSignal,
): Promise<(AskResult | AskFailure)[]> {
  const exact = contexts.at(-1)
  if (!exact || 'error' in exact) throw exact?.error
  const those = contexts.slice(0, -1)
  const alive = those.flatMap((context) => ('error' in context ? [] : [context]))
  const reports = new Map(alive.map((context) => [context, context.report]))
  const followed = await followText(alive, exact, follows, signal)
  return those.map((context, i) => {
    const report = 'error' in context ? undefined : reports.get(context)
    if ('error' in context || !report)
      return { error: placed('error' in context ? context.error : undefined, sample.place) }
    const { ms = 0, ...scores } = followed[alive.indexOf(context)] ?? {}
    const asked: Asked = {
      answer: { id: 'answer', facets: {}, expected: '', reply: '', scores },
      appendMs: ms,
      decodeMs: 0,
      decodeTokens: 0,
      grown: context.report.bytes.grown,
    }
    return { measurement: measurementOf(sample, report, rows[i]?.spec, [asked]), plan: report.plan }
  })
}

/** A question's answer and what it cost. */
interface Asked {
  readonly answer: Answer
  readonly appendMs: number
  readonly decodeMs: number
  readonly decodeTokens: number
  readonly grown: number
}

async function askContext<Sample extends BenchSample>(
  model: BenchModel,
  context: BenchContext,
  { questions }: BenchPrompt,
  sample: Sample,
  spec: CompressionSpec | undefined,
  score: Asking<Sample>['score'],
  signal: AbortSignal,
): Promise<AskResult> {
  const report = context.report // before any answer grows it
  const asked: Asked[] = []
  for (const question of questions) {
    const own = questions.length > 1 ? context.fork() : context
    try {
      const started = performance.now()
      if (question.text !== '') await own.append(question.text, { signal })
      const appendMs = question.text === '' ? 0 : performance.now() - started
      const reply = await replyOf(own, question.rule, tokenizerOf(model), signal)
      const { timings, bytes } = own.report
      const { id = 'answer', facets = {}, expected } = question
      asked.push({
        answer: { id, facets, expected, reply, scores: score(reply, question, sample) },
        appendMs,
        decodeMs: timings.decodeMs,
        decodeTokens: timings.decodeTokens,
        grown: bytes.grown,
      })
    } finally {
      if (own !== context) await own.dispose()
    }
  }
  return { measurement: measurementOf(sample, report, spec, asked), plan: report.plan }
}

function measurementOf(
  sample: BenchSample,
  report: BenchContext['report'],
  spec: CompressionSpec | undefined,
  asked: readonly Asked[],
): Measurement {
  const total = (value: (one: Asked) => number) => asked.reduce((sum, one) => sum + value(one), 0)
  return {
    facets: sample.facets,
    promptTokens: report.promptTokens,
    tokensKept: report.keptPerHead,
    ...(spec?.budget ? { spent: { nominal: report.spentNominal, bytes: report.spentBytes } } : {}),
    bits: report.bits,
    bytes: {
      planned: report.bytes.simulated ?? report.bytes.planned,
      allocated: report.bytes.allocated,
      grown: Math.max(0, ...asked.map(({ grown }) => grown)),
      full: report.fullBytes,
    },
    timings: {
      prefillMs: report.timings.prefillMs,
      appendMs: total(({ appendMs }) => appendMs),
      decodeMs: total(({ decodeMs }) => decodeMs),
      decodeTokens: total(({ decodeTokens }) => decodeTokens),
    },
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    answers: asked.map(({ answer }) => answer),
  }
}

/** The error with the sample's place in front of its message. */
function placed(error: unknown, place: string | undefined): unknown {
  const aborted = KvError.isInstance(error) && error.code === 'KV_ABORTED'
  return place === undefined || aborted ? error : atPlace(error, place)
}
