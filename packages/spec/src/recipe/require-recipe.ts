import { KvError } from '../errors.ts'
import type { Recipe, RecipeModel, RecipeProtocol } from './recipe.ts'

/** What a recipe is about to be used for; what is left out is not looked at. */
export interface RecipeUse {
  readonly model?: RecipeModel
  /** Tokens of the prompt. */
  readonly tokens?: number
  readonly protocol?: RecipeProtocol
}

const words: Readonly<Record<RecipeProtocol, string>> = {
  'query-aware': 'prompts that end with their question (query-aware)',
  'query-agnostic': 'texts that are asked later (query-agnostic)',
}

/** Throws KV_RECIPE where a recipe was not found for this use, with both sides and what to do. */
export function requireRecipe(recipe: Recipe, { model, tokens, protocol }: RecipeUse): void {
  if (model && model.fingerprint !== recipe.model.fingerprint)
    throw refuse(
      `holds for the model ${named(recipe.model)}, not for ${named(model)}`,
      `Make one for this model: qpkv plan MODEL --budget … --context …`,
    )
  if (model && model.weights !== recipe.model.weights)
    throw refuse(
      `holds for ${recipe.model.weights ?? 'unrounded'} weights, and the model was loaded with ${model.weights ?? 'unrounded'} ones`,
      recipe.model.weights === undefined
        ? 'Load the model as it is, or make a recipe with the same weights option.'
        : `Load the model with weights: '${recipe.model.weights}'.`,
    )
  const { from, to } = recipe.tokens
  if (tokens !== undefined && (tokens < from || tokens > to))
    throw refuse(
      `holds for prompts of ${from} to ${to} tokens, and this one has ${tokens}`,
      'Make one for this length with qpkv plan --context, or give the spec in it with compression: recipe.spec.',
    )
  if (protocol !== undefined && !recipe.protocols.includes(protocol))
    throw refuse(
      `holds for ${recipe.protocols.map((one) => words[one]).join(' and ')}, not for ${words[protocol]}`,
      `Make one with qpkv plan --protocol ${protocol}.`,
    )
}

const named = ({ name, fingerprint }: RecipeModel) => `${name} (${fingerprint})`

const refuse = (what: string, hint: string) => new KvError('KV_RECIPE', `The recipe ${what}.`, { hint })
