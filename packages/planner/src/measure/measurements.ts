import { availableMemory, type Model, type Tokenizer } from '@qpkv/core'
import { checkSpec, type CompressionSpec, type RecipeProtocol } from '@qpkv/spec'
import type { Candidate } from '../candidates/fit-spec.ts'
import { casePrompts, type Excerpt, type PlanPrompt } from '../cases/plan-case.ts'
import { askPrompt } from './ask-prompt.ts'
import type { MeasuredFile, Place } from './measured-file.ts'
import { joinOutcomes, type Baseline, type PromptOutcome } from './outcome.ts'
import { answersQuestions, qualityOf, type Quality } from './quality.ts'

export interface MeasureSettings {
  readonly protocols: readonly RecipeProtocol[]
  readonly excerpts: readonly Excerpt[]
  /** Per excerpt and protocol. */
  readonly questions: number
  /** Length that is measured / length that is planned for: budgets shrink with it. */
  readonly scale: number
  /** Where everything that is measured goes at once; what it held before is known. */
  readonly file?: MeasuredFile | undefined
}

/** How far measuring goes. */
export interface MeasureUntil {
  readonly signal: AbortSignal
  /** Whether there is no time for a further spec on a prompt. */
  readonly late: () => boolean
}

/** Specs that pass a prompt together. */
const BATCH = 48
/** Part of the free memory that their caches may take. */
const MEMORY = 0.5

/** What was measured of every candidate on every prompt; nothing is measured twice. */
export class Measurements {
  private readonly model: Model
  private readonly tokenizer: Tokenizer
  private readonly settings: MeasureSettings
  /** By candidate, then by prompt; undefined where the spec failed there. */
  private readonly outcomes = new Map<string, Map<string, PromptOutcome | undefined>>()
  /** Of prompts that this run has come to, so that what an earlier one saw of others decides nothing. */
  private readonly baselines = new Map<string, Baseline>()
  private readonly earlier = new Map<string, Baseline>()
  private known = false
  /** Candidates and excerpts of which nothing is missing. */
  private readonly complete = new Set<string>()

  constructor(model: Model, tokenizer: Tokenizer, settings: MeasureSettings) {
    this.model = model
    this.tokenizer = tokenizer
    this.settings = settings
    for (const line of settings.file?.held ?? [])
      if (line.kind === 'full') this.earlier.set(keyOf(line), line)
      else this.of(line.candidate).set(keyOf(line), line)
  }

  /** Questions that the full cache was asked and answered. */
  get baseline(): Baseline {
    const all = [...this.baselines.values()]
    return {
      asked: all.reduce((sum, one) => sum + one.asked, 0),
      found: all.reduce((sum, one) => sum + one.found, 0),
    }
  }

  /** Whether anything is known of what this run has come to. */
  get any(): boolean {
    return this.known
  }

  get byAnswers(): boolean {
    return answersQuestions([...this.baselines.values()])
  }

  /** Measures what is missing of some candidates on an excerpt, as long as there is time. */
  async measure(candidates: readonly Candidate[], excerpt: number, until: MeasureUntil): Promise<void> {
    const { protocols, excerpts, questions } = this.settings
    const reading = { tokenizer: this.tokenizer, chatTemplate: this.model.chatTemplate }
    for (const protocol of protocols)
      for (const [at, prompt] of (
        await casePrompts(reading, excerpts[excerpt]!, protocol, questions)
      ).entries()) {
        const place = { excerpt, protocol, prompt: at }
        const full = this.earlier.get(keyOf(place))
        if (full) this.baselines.set(keyOf(place), full)
        const missing = candidates.filter(({ id }) => !full || !this.of(id).has(keyOf(place)))
        this.known ||= missing.length < candidates.length
        for (const batch of this.batches(missing)) {
          if (until.late()) return
          await this.measurePrompt(batch, prompt, place, until)
        }
        if (missing.some(({ id }) => !this.of(id).has(keyOf(place)))) return
      }
    for (const { id } of candidates) this.complete.add(`${id}/${excerpt}`)
  }

  /** Whether nothing of a candidate is missing on an excerpt. */
  isComplete({ id }: Candidate, excerpt: number): boolean {
    return this.complete.has(`${id}/${excerpt}`)
  }

  /** Over what was measured of these excerpts; undefined where that is nothing, or where the spec failed on one of them. */
  quality({ id }: Candidate, excerpts: readonly number[]): Quality | undefined {
    const mine = [...this.of(id)].map(([key, outcome]) => ({ place: placeOf(key), outcome }))
    const outcomes = []
    for (const excerpt of excerpts)
      for (const protocol of this.settings.protocols) {
        const here = mine.filter(({ place }) => place.excerpt === excerpt && place.protocol === protocol)
        const prompts = here.flatMap(({ outcome }) => outcome ?? [])
        if (prompts.length < here.length) return undefined
        if (prompts.length > 0) outcomes.push(joinOutcomes(prompts))
      }
    return outcomes.length === 0 ? undefined : qualityOf(outcomes, this.byAnswers)
  }

  private async measurePrompt(
    batch: readonly Candidate[],
    prompt: PlanPrompt,
    place: Place,
    { signal, late }: MeasureUntil,
  ): Promise<void> {
    const { file } = this.settings
    const specs = batch.map(({ spec }) => this.scaled(spec))
    await askPrompt(this.model, prompt, specs, {
      signal,
      late,
      onFull: (found) => {
        if (this.earlier.has(keyOf(place))) return
        const baseline = { asked: prompt.questions.length, found }
        this.earlier.set(keyOf(place), baseline)
        this.baselines.set(keyOf(place), baseline)
        file?.write({ kind: 'full', ...place, ...baseline })
      },
      onOutcome: (at, outcome) => {
        const { id, spec } = batch[at]!
        this.of(id).set(keyOf(place), outcome)
        if (!outcome) return
        this.known = true
        file?.write({ kind: 'outcome', ...place, ...outcome, candidate: id, spec })
      },
    })
  }

  /** The spec at the length that is measured. */
  scaled(spec: CompressionSpec): CompressionSpec {
    const { budget } = spec
    if (!budget || !('bytes' in budget)) return spec
    return checkSpec({ ...spec, budget: { bytes: Math.floor(Number(budget.bytes) * this.settings.scale) } })
  }

  private *batches(candidates: readonly Candidate[]): Generator<readonly Candidate[]> {
    const tokens = this.settings.excerpts[0]?.tokens ?? 1
    const limit = MEMORY * availableMemory()
    let batch: Candidate[] = []
    let bytes = 0
    for (const candidate of candidates) {
      const size = this.bytesAt(candidate.spec, tokens)
      if (batch.length > 0 && (batch.length === BATCH || bytes + size > limit)) {
        yield batch
        batch = []
        bytes = 0
      }
      batch.push(candidate)
      bytes += size
    }
    if (batch.length > 0) yield batch
  }

  private bytesAt(spec: CompressionSpec, tokens: number): number {
    try {
      return this.model.estimate(tokens, [this.scaled(spec)]).caches[0] ?? 0
    } catch {
      return 0 // it fails alone when it is measured
    }
  }

  private of(candidate: string): Map<string, PromptOutcome | undefined> {
    const known = this.outcomes.get(candidate) ?? new Map<string, PromptOutcome | undefined>()
    this.outcomes.set(candidate, known)
    return known
  }
}

const keyOf = ({ excerpt, protocol, prompt }: Place): string => `${excerpt}/${protocol}/${prompt}`
const placeOf = (key: string) => {
  const [excerpt, protocol] = key.split('/')
  return { excerpt: Number(excerpt), protocol }
}
