import { setMaxListeners } from 'node:events'
import type { Model, Tokenizer } from '@qpkv/core'
import { fullCache, KvError } from '@qpkv/spec'
import { fitSpec, type Candidate, type Frame } from './candidates/fit-spec.ts'
import { cutExcerpts } from './cases/excerpts.ts'
import { measureDecode, predictDecodeMs } from './decode/decode-rates.ts'
import { decodeStorages } from './decode/decode-storages.ts'
import type { MeasuredFile } from './measure/measured-file.ts'
import { Measurements } from './measure/measurements.ts'
import { openMeasured } from './measure/open-measured.ts'
import { betterFirst } from './measure/quality.ts'
import { makeRecipe } from './output/make-recipe.ts'
import { resolvePlanOptions, type PlanOptions, type ResolvedPlanOptions } from './plan-options.ts'
import type { CompressionPlanning, JudgedSpec } from './plan-result.ts'
import { findBest } from './search/find-best.ts'
import { judge } from './search/judge.ts'
import { markFrontier } from './search/mark-frontier.ts'
import { SEARCH_CASES } from './search/search-axes.ts'

/** Parts of the budget at which the last specs are judged, so that the frontier shows what less would do. */
const LADDER = [1, 1 / 2, 1 / 4]
/** Part of the time that is the search's. */
const SEARCH_TIME = 2 / 3

/**
 * Finds the spec that keeps most of what a model makes of its full cache within a number of bytes: candidates from the methods that are
 * installed, measured on the model itself, judged on prompts that the search has not seen. Equal seeds give equal results, except where time
 * was up; predicted times are this machine's.
 * @throws KV_INVALID_OPTION, KV_TOKENIZER, KV_DATA for a text that is too short, KV_BUDGET_TOO_SMALL where nothing fits, KV_MEMORY, KV_ABORTED,
 * KV_CONFLICT for a file of another run
 */
export async function planCompression(model: Model, given: PlanOptions): Promise<CompressionPlanning> {
  const started = performance.now()
  const options = resolvePlanOptions(model, given)
  const tokenizer = tokenizerOf(model)
  const file = options.keep && (await openMeasured(model, options, options.keep))
  try {
    return await plan(model, tokenizer, options, file, started)
  } finally {
    file?.close()
  }
}

async function plan(
  model: Model,
  tokenizer: Tokenizer,
  options: ResolvedPlanOptions,
  file: MeasuredFile | undefined,
  started: number,
): Promise<CompressionPlanning> {
  const { context, measure, judged: wanted, onProgress } = options
  const signal = AbortSignal.any([options.signal])
  setMaxListeners(0, signal) // every question listens
  const timeUp = (part: number) => performance.now() - started > part * options.minutes * 60_000
  const cut = { ...options, tokens: measure, counts: [SEARCH_CASES, wanted] } as const
  const measurements = new Measurements(model, tokenizer, {
    protocols: options.protocols,
    excerpts: cutExcerpts(tokenizer, cut).flat(),
    questions: options.questions,
    scale: measure / context,
    file,
  })
  const frame: Frame = { registry: options.registry, facts: model.facts, context, budget: options.budget }
  let cutShort = false
  const { best, measured } = await findBest(options, frame, {
    measurements,
    signal,
    late: () => (cutShort ||= measurements.any && timeUp(SEARCH_TIME)),
    onCase: (candidates, stage) => {
      onProgress({ stage, specs: candidates.length })
    },
  })
  if (best.length === 0) throw nothingFits(options.budget)
  const ladder = onLadder(best, frame)
  onProgress({ stage: 'timing decode', specs: ladder.length })
  const { rates, checks } = await measureDecode(
    model,
    timedPrompt(tokenizer, options),
    decodeStorages(ladder),
    best.map(({ spec }) => measurements.scaled(spec)),
    signal,
  )
  const held = await judge(
    ladder,
    Array.from({ length: wanted }, (_, i) => SEARCH_CASES + i),
    {
      measurements,
      signal,
      timeUp: () => timeUp(1),
      onPrompt: () => {
        onProgress({ stage: 'judging', specs: ladder.length })
      },
    },
  )
  const { bytes: fullBytes } = fullCache(model.facts, context)
  const rows = ladder.flatMap((candidate): JudgedSpec[] => {
    const { spec, plan, bytes } = candidate
    const quality = measurements.quality(candidate, held)
    const decodeMs = predictDecodeMs(rates, plan, model.facts)
    const known = decodeMs !== undefined && { decodeMs }
    return quality ? [{ spec, bytes, share: bytes / fullBytes, quality, ...known, onFrontier: false }] : []
  })
  const judged = markFrontier(rows)
  const [recommended] = best
    .flatMap(({ spec }) => judged.find((row) => row.spec === spec) ?? [])
    .sort((a, b) => betterFirst(a.quality, b.quality) || a.bytes - b.bytes)
  if (!recommended) throw nothingFits(options.budget)
  const check = checks[best.findIndex(({ spec }) => spec === recommended.spec)]
  const fullCandidate = fitSpec({}, { ...frame, budget: Infinity })
  const fullMs = fullCandidate && predictDecodeMs(rates, fullCandidate.plan, model.facts)
  const points = measurements.byAnswers ? 'answers' : 'next tokens'
  return {
    recommended,
    judged,
    recipe: makeRecipe(await model.identify(), recommended, options, { points, prompts: held.length }),
    full: { bytes: fullBytes, ...measurements.baseline, ...(fullMs !== undefined && { decodeMs: fullMs }) },
    points,
    ...(check && { decode: check }),
    context,
    measured: measure,
    candidates: measured,
    judgedOn: { prompts: held.length, wanted },
    cutShort,
    takenOver: file?.held.length ?? 0,
    ms: performance.now() - started,
  }
}

/** The best specs at parts of the budget, those that fit there; first those at the whole of it. */
function onLadder(best: readonly Candidate[], frame: Frame): Candidate[] {
  const less = LADDER.slice(1).flatMap((part) =>
    best.flatMap(({ spec }) => fitSpec(spec, { ...frame, budget: Math.floor(part * frame.budget) }) ?? []),
  )
  return [...best, ...less].filter(({ id }, i, all) => all.findIndex((one) => one.id === id) === i)
}

const timedPrompt = (tokenizer: Tokenizer, { text, measure }: ResolvedPlanOptions): number[] =>
  tokenizer
    .encode(text ?? ' The red boat crosses the hill.'.repeat(measure), { special: false })
    .slice(0, measure)

function tokenizerOf({ tokenizer }: Model): Tokenizer {
  if (tokenizer) return tokenizer
  throw new KvError('KV_TOKENIZER', 'Planning needs a tokenizer, and the model folder has none.', {
    hint: 'Put tokenizer.json beside config.json.',
  })
}

const nothingFits = (budget: number) =>
  new KvError('KV_BUDGET_TOO_SMALL', `No candidate fits ${budget} bytes.`, {
    hint: 'Give a larger --budget, a shorter --context, or other methods.',
  })
