import type { CompressionSpec, SpecInput } from '@qpkv/spec'
import { readInput } from '../compression-input.ts'
import { kvError } from '../errors.ts'

/** A spec for what is stored already; recipes and canaries are about prompts. @throws KV_INVALID_SPEC, KV_INVALID_OPTION */
export async function readStoredSpec(input: SpecInput | string): Promise<CompressionSpec> {
  const { spec, recipe, canary } = await readInput(input)
  if (!recipe && !canary) return spec
  throw kvError(
    'KV_INVALID_OPTION',
    `A ${recipe ? 'recipe' : 'canary'} is for prefill(); what is stored is compressed again by a spec.`,
    'Give the spec itself, in words or as an object.',
  )
}
