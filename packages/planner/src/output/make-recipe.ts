import { contentHash } from '@qpkv/bench-kit'
import { loadRecipe, RECIPE_VERSION, type Recipe, type RecipeModel } from '@qpkv/spec'
import type { ResolvedPlanOptions } from '../plan-options.ts'
import type { CompressionPlanning, JudgedSpec } from '../plan-result.ts'

/** The recommended spec with what it holds for. Under a budget of bytes a shorter prompt keeps more of itself, so there is no least length. */
export const makeRecipe = (
  model: RecipeModel,
  { spec, bytes, quality }: JudgedSpec,
  { context, measure, protocols, seed, text }: ResolvedPlanOptions,
  judging: { readonly points: CompressionPlanning['points']; readonly prompts: number },
): Recipe =>
  loadRecipe({
    recipeVersion: RECIPE_VERSION,
    spec,
    model,
    tokens: { from: 1, to: context },
    protocols,
    measured: {
      bytes,
      ...judging,
      quality: { ...quality },
      tokens: measure,
      seed,
      ...(text !== undefined && { text: contentHash(text) }),
    },
  })
