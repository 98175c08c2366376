import { requireRecipe, type RecipeUse } from '@qpkv/spec'
import type { ReadInput } from './compression-input.ts'

/**
 * Refuses recipes that were not found for this use. `identify` is asked only where there are recipes.
 * @throws KV_RECIPE
 */
export async function requireInputs(
  inputs: readonly ReadInput[],
  tokens: number,
  identify: () => Promise<RecipeUse['model']>,
): Promise<void> {
  for (const { recipe, protocol } of inputs) {
    if (recipe === undefined) continue
    const model = await identify()
    requireRecipe(recipe, { tokens, ...(model && { model }), ...(protocol !== undefined && { protocol }) })
  }
}
