import { setMaxListeners } from 'node:events'
import { specIdOf } from '@qpkv/bench-kit'
import type { Model, Tokenizer } from '@qpkv/core'
import { createRegistry, fullCache, KvError } from '@qpkv/spec'
import { methodChoices } from './candidates/method-choices.ts'
import { fitSpec, fitSpecs, type Candidate, type Frame } from './candidates/fit-spec.ts'
import { cutExcerpts } from './cases/excerpts.ts'
import { measureDecodeRates, predictDecodeMs } from './decode/decode-rates.ts'
import { decodeStorages } from './decode/decode-storages.ts'
import { Measurements } from './measure/measurements.ts'
import { betterFirst } from './measure/quality.ts'
import { makeRecipe } from './output/make-recipe.ts'
import { resolvePlanOptions, type PlanOptions, type ResolvedPlanOptions } from './plan-options.ts'
import type { CompressionPlanning, JudgedSpec } from './plan-result.ts'
import { halve, type Search } from './search/halve.ts'
import { markFrontier } from './search/mark-frontier.ts'
import { searchAxes, SEARCH_CASES } from './search/search-axes.ts'

/** Parts of the budget at which the last specs are judged, so that the frontier shows what less would do. */
const LADDER = [1, 1 / 2, 1 / 4]

/**
 * Finds the spec that keeps most of what a model makes of its full cache within a number of bytes: candidates from the methods that are
 * installed, measured on the model itself, judged on prompts that the search has not seen. Equal seeds give equal results, except where time
 * was up; predicted times are this machine's.
 * @throws KV_INVALID_OPTION, KV_TOKENIZER, KV_DATA for a text that is too short, KV_BUDGET_TOO_SMALL where nothing fits, KV_MEMORY, KV_ABORTED
 */
export async function planCompression(model: Model, given: PlanOptions): Promise<CompressionPlanning> {
  const started = performance.now()
  const options = resolvePlanOptions(model, given)
  const { context, measure, judged: judgedCases, onProgress } = options
  const signal = AbortSignal.any([options.signal])
  setMaxListeners(0, signal) // every question listens
  const tokenizer = tokenizerOf(model)
  const measurements = new Measurements(model, tokenizer, {
    protocols: options.protocols,
    excerpts: cutExcerpts(tokenizer, {
      ...options,
      tokens: measure,
      counts: [SEARCH_CASES, judgedCases],
    }).flat(),
    questions: options.questions,
    scale: measure / context,
  })
  const frame: Frame = { registry: options.registry, facts: model.facts, context, budget: options.budget }
  const seen = new Set<string>()
  let cutShort = false
  const search: Search = {
    measurements,
    signal,
    onCase: (specs, stage) => {
      onProgress({ stage, specs })
    },
    late: () => {
      const late = seen.size > 0 && performance.now() - started > options.minutes * 60_000
      cutShort ||= late
      return late
    },
    onMeasured: (candidates) => {
      for (const { spec } of candidates) seen.add(specIdOf(spec))
    },
  }
  const best = await findBest(options, frame, search)
  search.onMeasured(best)
  const ladder = onLadder(best, frame)
  const excerpts = Array.from({ length: judgedCases }, (_, i) => SEARCH_CASES + i)
  for (const at of excerpts) {
    onProgress({ stage: 'judging', specs: ladder.length })
    await measurements.measure(
      ladder.map(({ spec }) => spec),
      at,
      signal,
    )
  }
  onProgress({ stage: 'timing decode', specs: ladder.length })
  const ids = tokenizer.encode(options.text ?? ' The red boat crosses the hill.'.repeat(measure), {
    special: false,
  })
  const rates = await measureDecodeRates(model, ids.slice(0, measure), decodeStorages(ladder), signal)
  const { bytes: fullBytes } = fullCache(model.facts, context)
  const rows = ladder.flatMap(({ spec, plan, bytes }): JudgedSpec[] => {
    const quality = measurements.quality(spec, excerpts)
    const decodeMs = predictDecodeMs(rates, plan, model.facts)
    const known = decodeMs !== undefined && { decodeMs }
    return quality ? [{ spec, bytes, share: bytes / fullBytes, quality, ...known, onFrontier: false }] : []
  })
  const judged = markFrontier(rows)
  const atBudget = new Set(best.map(({ spec }) => specIdOf(spec)))
  const [recommended] = judged
    .filter(({ spec }) => atBudget.has(specIdOf(spec)))
    .sort((a, b) => betterFirst(a.quality, b.quality) || a.bytes - b.bytes)
  if (!recommended) throw nothingFits(options.budget)
  const fullCandidate = fitSpec({}, { ...frame, budget: Infinity })
  const fullMs = fullCandidate && predictDecodeMs(rates, fullCandidate.plan, model.facts)
  const points = measurements.byAnswers ? 'answers' : 'next tokens'
  return {
    recommended,
    judged,
    recipe: makeRecipe(await model.identify(), recommended, options, points),
    full: { bytes: fullBytes, ...measurements.baseline, ...(fullMs !== undefined && { decodeMs: fullMs }) },
    points,
    context,
    measured: measure,
    candidates: seen.size,
    cutShort,
    ms: performance.now() - started,
  }
}

async function findBest(
  { candidates: own, registry, budget, measure }: ResolvedPlanOptions,
  frame: Frame,
  search: Search,
): Promise<Candidate[]> {
  const full = fitSpec({}, frame)
  if (full) return [full] // nothing has to be given up
  const rounds = [
    { cases: 1, keep: 12 },
    { cases: 2, keep: 6 },
    { cases: SEARCH_CASES, keep: 3 },
  ]
  const best = own
    ? await halve(fitSpecs(own, frame), rounds, search, 'candidates')
    : await searchAxes(methodChoices(registry ?? createRegistry(), isNarrow(frame, measure)), frame, search)
  if (best.length === 0) throw nothingFits(budget)
  return best.slice(0, 3)
}

/** Whether 32 tokens in 16 bit would take more than an eighth of what is measured. */
const isNarrow = ({ facts, budget, context }: Frame, measure: number): boolean =>
  fullCache(facts, 32).bytes > (budget * measure) / context / 8

/** The best specs at parts of the budget, those that fit there. */
function onLadder(best: readonly Candidate[], frame: Frame): Candidate[] {
  const rows = LADDER.flatMap((part) =>
    best.flatMap(({ spec }) => fitSpec(spec, { ...frame, budget: Math.floor(part * frame.budget) }) ?? []),
  )
  return [...new Map(rows.map((row) => [specIdOf(row.spec), row])).values()]
}

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
