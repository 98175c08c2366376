import {
  checkSpec,
  parseSpec,
  resolve,
  type CompressionSpec,
  type ModelFacts,
  type PromptFacts,
  type Registry,
  type Resolved,
  type SpecInput,
} from '@qpkv/spec'

/** A spec as an object or in its text form, such as `snapkv:window=16+kivi:bits=4@128KiB`. */
export type CompressionInput = SpecInput | string

/** A spec with all that follows from it for one prompt. */
export interface ResolvedSpec extends Resolved {
  readonly spec: CompressionSpec
}

/** Resolves every spec for one prompt; none is run unless all are good. */
export function resolveAll(
  inputs: readonly CompressionInput[],
  registry: Registry | undefined,
  model: ModelFacts,
  prompt: PromptFacts,
  precision: 'bf16' | 'f16' | 'f32',
): ResolvedSpec[] {
  return inputs.map((input) => {
    const spec = typeof input === 'string' ? parseSpec(input) : checkSpec(input)
    return { ...resolve(spec, registry, model, prompt, { precision }), spec }
  })
}
