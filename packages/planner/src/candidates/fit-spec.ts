import { contentHash } from '@qpkv/bench-kit'
import {
  checkSpec,
  KvError,
  resolve,
  type CompressionPlan,
  type CompressionSpec,
  type Json,
} from '@qpkv/spec'
import type { ModelFacts, Registry, SpecInput } from '@qpkv/spec'

/** A spec that fits a budget, and what it comes to. */
export interface Candidate {
  /** Of spec and plan: what a file that the spec names holds is part of it. */
  readonly id: string
  readonly spec: CompressionSpec
  readonly plan: CompressionPlan
  /** Real bytes of the cache, by the plan. */
  readonly bytes: number
}

/** What candidates have to fit. */
export interface Frame {
  readonly registry: Registry | undefined
  readonly facts: ModelFacts
  /** Tokens of the prompt. */
  readonly context: number
  /** Real bytes of the cache. */
  readonly budget: number
}

/**
 * The spec at the frame's budget, or undefined where it cannot be resolved there (methods that want a table, widths that contradict each
 * other, a budget that is too small), takes more, or is simulated. A spec that prunes nothing has no budget.
 */
export function fitSpec(
  input: SpecInput,
  { registry, facts, context, budget }: Frame,
): Candidate | undefined {
  const prunes = input.prune !== undefined && input.prune.method !== 'none'
  const spec = checkSpec({ ...input, budget: prunes ? { bytes: budget } : undefined })
  try {
    const { plan, bytes } = resolve(spec, registry, facts, { tokens: context })
    if (bytes > budget || plan.layers.some(({ simulated }) => simulated)) return undefined
    return { id: contentHash({ spec, plan } as unknown as Json), spec, plan, bytes }
  } catch (cause) {
    if (KvError.isInstance(cause)) return undefined
    throw cause
  }
}

/** Those that fit, each plan once: presets and their parts written out come to the same. */
export function fitSpecs(inputs: readonly SpecInput[], frame: Frame): Candidate[] {
  const byPlan = new Map<string, Candidate>()
  for (const input of inputs) {
    const candidate = fitSpec(input, frame)
    if (!candidate) continue
    const key = contentHash(candidate.plan as unknown as Json)
    if (!byPlan.has(key)) byPlan.set(key, candidate)
  }
  return [...byPlan.values()]
}
