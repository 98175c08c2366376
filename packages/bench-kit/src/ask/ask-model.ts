import { KvError, type CompressionSpec } from '@qpkv/spec'
import type { Answer, Facets, Measurement } from '../result/record.ts'
import type { Ask, AskFailure, AskResult, NamedSpec } from '../run/run-samples.ts'
import type { BenchContext, BenchModel } from './bench-model.ts'
import { tokenizerOf, type EncodedPrompt } from './encode-prompt.ts'
import { prefillRows } from './prefill-rows.ts'
import { replyOf, type ReplyRule } from './reply.ts'

/** A sample of a benchmark; its prompt is made when it is asked, not before. */
export interface BenchSample {
  readonly id: string
  readonly facets: Facets
  /** Where it comes from, such as `data.jsonl:12`; stands in the message of a failure. */
  readonly place?: string
  readonly render: () => Promise<BenchPrompt>
}

export interface BenchPrompt extends EncodedPrompt {
  readonly expected: string
  readonly rule: ReplyRule
  /** Facets of the answer. */
  readonly facets?: Facets
  readonly score: (reply: string) => Readonly<Record<string, number>>
}

/**
 * Asks a sample under every spec at once: one prefill, one context per spec, a greedy answer each. A spec that this
 * prompt cannot be compressed with fails alone; the others go on.
 */
export function askModel(model: BenchModel): Ask<BenchSample> {
  return async (sample, rows, signal) => {
    try {
      return await askSample(model, sample, rows, signal)
    } catch (error) {
      throw placed(error, sample.place)
    }
  }
}

async function askSample(
  model: BenchModel,
  sample: BenchSample,
  rows: readonly NamedSpec[],
  signal: AbortSignal,
): Promise<(AskResult | AskFailure)[]> {
  const prompt = await sample.render()
  const prefill = (compression: readonly CompressionSpec[]) =>
    model.prefill(prompt.ids, {
      compression,
      signal,
      // That a question follows is the protocol; it needs no warning.
      onWarning: () => undefined,
      ...(prompt.userEnd === undefined ? {} : { userEnd: prompt.userEnd }),
    })
  const refuses = (spec: CompressionSpec) => model.estimate(prompt.ids.length, [spec])
  const { contexts, refusals } = await prefillRows(rows, prefill, refuses)
  try {
    const results = new Map<NamedSpec, AskResult | AskFailure>(refusals)
    for (const [row, context] of contexts) {
      results.set(row, await askContext(model, context, prompt, sample.facets, row.spec, signal))
    }
    return rows.map((row) => results.get(row) ?? { error: new KvError('KV_DATA', 'The spec was not asked.') })
  } finally {
    await Promise.all([...contexts.values()].map((context) => context.dispose()))
  }
}

async function askContext(
  model: BenchModel,
  context: BenchContext,
  prompt: BenchPrompt,
  facets: Facets,
  spec: CompressionSpec,
  signal: AbortSignal,
): Promise<AskResult> {
  const report = context.report // before the answer grows it
  const started = performance.now()
  if (prompt.rest !== '') await context.append(prompt.rest, { signal })
  const appendMs = prompt.rest === '' ? 0 : performance.now() - started
  const reply = await replyOf(context, prompt.rule, tokenizerOf(model), signal)
  const { bytes, timings } = context.report
  const { expected, score } = prompt
  const answer: Answer = { id: 'answer', facets: prompt.facets ?? {}, expected, reply, scores: score(reply) }
  const measurement: Measurement = {
    facets,
    promptTokens: report.promptTokens,
    tokensKept: report.keptPerHead,
    ...(spec.budget ? { spent: { nominal: report.spentNominal, bytes: report.spentBytes } } : {}),
    bits: report.bits,
    bytes: {
      planned: report.bytes.simulated ?? report.bytes.planned,
      allocated: report.bytes.allocated,
      grown: bytes.grown,
      full: report.fullBytes,
    },
    timings: {
      prefillMs: report.timings.prefillMs,
      appendMs,
      decodeMs: timings.decodeMs,
      decodeTokens: timings.decodeTokens,
    },
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    answers: [answer],
  }
  return { measurement, plan: report.plan }
}

/** The error with the sample's place in front of its message. */
function placed(error: unknown, place: string | undefined): unknown {
  if (place === undefined || !KvError.isInstance(error) || error.code === 'KV_ABORTED') return error
  if (error.message.startsWith(place)) return error
  const hint = error.hint === undefined ? {} : { hint: error.hint }
  return new KvError(error.code, `${place}: ${error.message}`, { ...hint, cause: error })
}
