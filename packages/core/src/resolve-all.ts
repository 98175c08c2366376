import type { CanaryReport } from './canary/canary-report.ts'
import {
  checkSpec,
  parseSpec,
  resolve,
  type CompressionSpec,
  type ModelFacts,
  type PromptFacts,
  type Recipe,
  type Registry,
  type Resolved,
  type SpecInput,
  type StoragePrecision,
} from '@qpkv/spec'

/** A spec with all that follows from it for one prompt. */
export interface ResolvedSpec extends Resolved {
  readonly spec: CompressionSpec
  /** The recipe that it came from, where the caller did not say what the context is for. */
  readonly recipe?: Recipe
  /** What was found in a copy of the prompt before it was compressed. */
  readonly canary?: CanaryReport
}

/** Resolves every spec for one prompt; none is run unless all are good. */
export function resolveAll(
  inputs: readonly (SpecInput | string)[],
  registry: Registry | undefined,
  model: ModelFacts,
  prompt: PromptFacts,
  precision: StoragePrecision,
): ResolvedSpec[] {
  return inputs.map((input) => {
    const spec = typeof input === 'string' ? parseSpec(input) : checkSpec(input)
    return { ...resolve(spec, registry, model, prompt, { precision }), spec }
  })
}

/** The same with what their allocators measured, per spec that wanted it, in order. */
export function resolveMeasured(
  resolved: readonly ResolvedSpec[],
  measured: readonly (readonly Float32Array[])[],
  registry: Registry | undefined,
  model: ModelFacts,
  prompt: PromptFacts,
  precision: StoragePrecision,
): ResolvedSpec[] {
  const next = measured.values()
  return resolved.map(({ measuring, ...one }) =>
    measuring === undefined
      ? one
      : {
          ...one,
          ...resolve(one.spec, registry, model, prompt, { precision, measured: next.next().value! }),
        },
  )
}
