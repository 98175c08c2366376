import type { BenchModel, PreparedRun } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { isPlainObject, recipeProtocols, requireRecipe, type Recipe } from '@qpkv/spec'

/** A model that is asked under a recipe's conditions: prompts that it does not hold for are refused, one by one. */
export const underRecipe = (model: Model, recipe: Recipe): BenchModel => ({
  config: model.config,
  tokenizer: model.tokenizer,
  chatTemplate: model.chatTemplate,
  generationDefaults: model.generationDefaults,
  estimate: (tokens, specs) => model.estimate(tokens, specs),
  prefill: (prompt, { compression, ...options }) =>
    model.prefill(prompt, {
      ...options,
      compression: compression.map((spec) =>
        // The benchmark's protocol was compared when it was opened.
        spec === recipe.spec ? { recipe, protocol: recipe.protocols[0]! } : spec,
      ),
    }),
})

/** Refuses a benchmark that asks in a way that the recipe was not found for. @throws KV_RECIPE */
export function requireProtocol(recipe: Recipe, { identity }: PreparedRun): void {
  const { options } = identity.task
  const asked = isPlainObject(options) ? options['protocol'] : undefined
  const protocol = recipeProtocols.find((one) => one === asked)
  if (protocol) requireRecipe(recipe, { protocol })
}
