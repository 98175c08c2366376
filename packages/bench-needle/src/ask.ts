import {
  prefillRows,
  type Answer,
  type Ask,
  type AskFailure,
  type AskResult,
  type Facets,
  type Measurement,
  type NamedSpec,
} from '@qpkv/bench-kit'
import type { CompressionSpec } from '@qpkv/spec'
import type { NeedleContext, NeedleModel } from './needle-model.ts'

/** A sample; its text is made when it is asked, not before. */
export interface NeedleSample {
  readonly id: string
  readonly facets: Facets
  readonly render: () => NeedlePrompt
}

/** A prompt to compress and what is asked about it. */
export interface NeedlePrompt {
  readonly prompt: string
  /** Let the tokenizer put its special tokens around the prompt. Default true. */
  readonly special?: boolean
  readonly questions: readonly SampleQuestion[]
}

export interface SampleQuestion {
  readonly id: string
  readonly facets: Facets
  /** Appended to the compressed context; empty when the prompt ends with the question. */
  readonly text: string
  readonly expected: string
}

export interface AskOptions {
  readonly model: NeedleModel
  readonly maxTokens: number
  readonly stop?: readonly string[]
  readonly score: (reply: string, question: SampleQuestion) => Readonly<Record<string, number>>
}

/**
 * Asks a sample under every spec at once: one prefill, one context per spec, greedy answers. A question that the prompt ends with is
 * answered by the context itself, the first token comes from the prefill; any other question by a fork of its own. A spec that the
 * prompt cannot be compressed with fails alone.
 */
export function askNeedle({ model, maxTokens, stop = [], score }: AskOptions): Ask<NeedleSample> {
  const reply = async (context: NeedleContext, signal: AbortSignal) =>
    (await context.generate({ maxTokens, temperature: 0, stop, signal }).result).text
  const settings: Settings = { reply, score }
  return async (sample, rows, signal) => {
    const { prompt, special, questions } = sample.render()
    const prefill = (compression: readonly CompressionSpec[]) =>
      model.prefill(prompt, {
        compression,
        signal,
        // That questions follow is the protocol; it needs no warning.
        onWarning: () => undefined,
        ...(special === undefined ? {} : { special }),
      })
    const resolve = (spec: CompressionSpec) => {
      const tokens = model.tokenizer?.encode(prompt, { special: special ?? true }).length ?? 0
      return model.estimate(tokens, [spec])
    }
    const { contexts, refusals } = await prefillRows(rows, prefill, resolve)
    try {
      const results = new Map<NamedSpec, AskResult | AskFailure>(refusals)
      for (const [row, context] of contexts) {
        const budgeted = row.spec.budget !== undefined
        const asked = { facets: sample.facets, questions }
        results.set(row, await askContext(context, asked, settings, budgeted, signal))
      }
      return rows.flatMap((row) => results.get(row) ?? [])
    } finally {
      await Promise.all([...contexts.values()].map((context) => context.dispose()))
    }
  }
}

interface Settings {
  readonly reply: (context: NeedleContext, signal: AbortSignal) => Promise<string>
  readonly score: AskOptions['score']
}

interface Asked {
  readonly answer: Answer
  readonly appendMs: number
  readonly decodeMs: number
  readonly decodeTokens: number
  readonly grown: number
}

async function askContext(
  context: NeedleContext,
  sample: Pick<NeedleSample, 'facets'> & Pick<NeedlePrompt, 'questions'>,
  settings: Settings,
  budgeted: boolean,
  signal: AbortSignal,
): Promise<AskResult> {
  const report = context.report // before any answer grows it
  const asked: Asked[] = []
  for (const question of sample.questions) asked.push(await askOne(context, question, settings, signal))
  const total = (value: (one: Asked) => number) => asked.reduce((sum, one) => sum + value(one), 0)
  const measurement: Measurement = {
    facets: sample.facets,
    promptTokens: report.promptTokens,
    tokensKept: report.keptPerHead,
    ...(budgeted ? { spent: { nominal: report.spentNominal, bytes: report.spentBytes } } : {}),
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
  return { measurement, plan: report.plan }
}

async function askOne(
  context: NeedleContext,
  question: SampleQuestion,
  { reply, score }: Settings,
  signal: AbortSignal,
): Promise<Asked> {
  const own = question.text !== ''
  const asked = own ? context.fork() : context
  try {
    const start = performance.now()
    if (own) await asked.append(question.text, { signal })
    const appendMs = own ? performance.now() - start : 0
    const text = await reply(asked, signal)
    const { timings, bytes } = asked.report
    const { id, facets, expected } = question
    const answer: Answer = { id, facets, expected, reply: text, scores: score(text, question) }
    return {
      answer,
      appendMs,
      decodeMs: timings.decodeMs,
      decodeTokens: timings.decodeTokens,
      grown: bytes.grown,
    }
  } finally {
    if (own) await asked.dispose()
  }
}
