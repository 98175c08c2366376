import { specIdOf } from '@qpkv/bench-kit'
import { availableMemory, type Model, type Tokenizer } from '@qpkv/core'
import { checkSpec, type CompressionSpec, type RecipeProtocol } from '@qpkv/spec'
import { casePrompts, type Excerpt } from '../cases/plan-case.ts'
import { askPrompt } from './ask-prompt.ts'
import { Tally, type Baseline, type Outcome } from './outcome.ts'
import { answersQuestions, qualityOf, type Quality } from './quality.ts'

export interface MeasureSettings {
  readonly protocols: readonly RecipeProtocol[]
  readonly excerpts: readonly Excerpt[]
  /** Per excerpt and protocol. */
  readonly questions: number
  /** Length that is measured / length that is planned for: budgets shrink with it. */
  readonly scale: number
}

/** Specs that pass a prompt together. */
const BATCH = 48
/** Part of the free memory that their caches may take. */
const MEMORY = 0.5

/** What was measured of every spec on every excerpt; nothing is measured twice. */
export class Measurements {
  private readonly model: Model
  private readonly tokenizer: Tokenizer
  private readonly settings: MeasureSettings
  /** By spec, then by excerpt; undefined where the spec failed there. */
  private readonly outcomes = new Map<string, Map<number, readonly Outcome[] | undefined>>()
  private readonly baselines = new Map<number, Baseline>()

  constructor(model: Model, tokenizer: Tokenizer, settings: MeasureSettings) {
    this.model = model
    this.tokenizer = tokenizer
    this.settings = settings
  }

  /** Questions that the full cache was asked and answered. */
  get baseline(): Baseline {
    const all = [...this.baselines.values()]
    return {
      asked: all.reduce((sum, one) => sum + one.asked, 0),
      found: all.reduce((sum, one) => sum + one.found, 0),
    }
  }

  get byAnswers(): boolean {
    return answersQuestions([...this.baselines.values()])
  }

  /** Measures what is missing of some specs on an excerpt. */
  async measure(specs: readonly CompressionSpec[], at: number, signal: AbortSignal): Promise<void> {
    const missing = specs.filter((spec) => !this.of(spec).has(at))
    for (const batch of this.batches(missing)) await this.measureBatch(batch, at, signal)
  }

  /** Over these excerpts; undefined for a spec that failed on one of them. */
  quality(spec: CompressionSpec, excerpts: readonly number[]): Quality | undefined {
    const mine = excerpts.map((at) => this.of(spec).get(at))
    const outcomes = mine.flatMap((one) => one ?? [])
    if (outcomes.length === 0 || mine.some((one) => one === undefined)) return undefined
    return qualityOf(outcomes, this.byAnswers)
  }

  private async measureBatch(
    specs: readonly CompressionSpec[],
    at: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { model, tokenizer } = this
    const { protocols, excerpts, questions } = this.settings
    const scaled = specs.map((spec) => this.scaled(spec))
    const results: (Outcome[] | undefined)[] = specs.map(() => [])
    let asked = 0
    let found = 0
    for (const protocol of protocols) {
      const tallies: (Tally | undefined)[] = specs.map(() => new Tally())
      const reading = { tokenizer, chatTemplate: model.chatTemplate }
      for (const prompt of await casePrompts(reading, excerpts[at]!, protocol, questions)) {
        asked += prompt.questions.length
        found += await askPrompt(model, prompt, scaled, tallies, signal)
      }
      for (const [i, tally] of tallies.entries())
        if (tally) results[i]?.push(tally.outcome())
        else results[i] = undefined
    }
    this.baselines.set(at, { asked, found })
    for (const [i, spec] of specs.entries()) this.of(spec).set(at, results[i])
  }

  /** The spec at the length that is measured. */
  private scaled(spec: CompressionSpec): CompressionSpec {
    const { budget } = spec
    if (!budget || !('bytes' in budget)) return spec
    return checkSpec({ ...spec, budget: { bytes: Math.floor(Number(budget.bytes) * this.settings.scale) } })
  }

  private *batches(specs: readonly CompressionSpec[]): Generator<readonly CompressionSpec[]> {
    const tokens = this.settings.excerpts[0]?.tokens ?? 1
    const limit = MEMORY * availableMemory()
    let batch: CompressionSpec[] = []
    let bytes = 0
    for (const spec of specs) {
      const size = this.bytesAt(spec, tokens)
      if (batch.length > 0 && (batch.length === BATCH || bytes + size > limit)) {
        yield batch
        batch = []
        bytes = 0
      }
      batch.push(spec)
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

  private of(spec: CompressionSpec): Map<number, readonly Outcome[] | undefined> {
    const id = specIdOf(spec)
    const known = this.outcomes.get(id) ?? new Map<number, readonly Outcome[] | undefined>()
    this.outcomes.set(id, known)
    return known
  }
}
