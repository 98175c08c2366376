import { readFile } from 'node:fs/promises'
import {
  checkSpec,
  expected,
  isPlainObject,
  KvError,
  loadRecipe,
  parseSpec,
  recipeProtocols,
  refuseUnknown,
  type CompressionSpec,
  type Recipe,
  type RecipeProtocol,
  type SpecInput,
} from '@qpkv/spec'
import { resolveCanary, type CanaryOptions } from './canary/canary-options.ts'
import type { ResolvedSpec } from './resolve-all.ts'

/** A recipe in place of a spec. What it does not hold for is refused: other models, lengths, protocols. */
export interface RecipeInput {
  /** A file that the planner wrote, or what it holds. */
  readonly recipe: string | Recipe
  /**
   * What the context is for. Left out: whatever the recipe holds for, and a context whose recipe asks for the question in the
   * prompt takes no later text.
   */
  readonly protocol?: RecipeProtocol
}

/**
 * How a prompt is compressed: a spec as an object or in its text form, such as `snapkv:window=16+kivi:bits=4@128KiB`, or a recipe.
 * `canary` hides numbers in a copy of the prompt first, compresses it in the same way and asks for them.
 */
export type CompressionInput =
  ((SpecInput | RecipeInput) & { readonly canary?: boolean | CanaryOptions }) | string

/** An input that was read and checked. */
export interface ReadInput {
  readonly spec: CompressionSpec
  readonly recipe?: Recipe
  readonly protocol?: RecipeProtocol
  readonly canary?: Required<CanaryOptions> | undefined
}

/** @throws KV_INVALID_SPEC, KV_RECIPE, KV_INVALID_OPTION */
export async function readInput(input: CompressionInput): Promise<ReadInput> {
  if (typeof input === 'string') return { spec: parseSpec(input) }
  if (!isPlainObject(input)) return { spec: checkSpec(input) }
  const { canary: wanted, ...rest } = input
  const canary = resolveCanary(wanted)
  if (!isRecipeInput(rest)) return { spec: checkSpec(rest), canary }
  refuseUnknown({ ...rest }, ['recipe', 'protocol'], 'compression')
  const { recipe: given, protocol } = rest
  if (protocol !== undefined && !recipeProtocols.includes(protocol))
    throw expected(`one of ${recipeProtocols.join(', ')}`, 'compression.protocol', protocol)
  const recipe = loadRecipe(typeof given === 'string' ? await readRecipe(given) : given)
  return { spec: recipe.spec, recipe, canary, ...(protocol !== undefined && { protocol }) }
}

const isRecipeInput = (input: object): input is RecipeInput =>
  (input as { recipe?: unknown }).recipe !== undefined

async function readRecipe(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new KvError('KV_RECIPE', `Cannot read the recipe ${path}: ${(cause as Error).message}.`, {
      cause,
      hint: 'qpkv plan writes one with --out FILE.',
    })
  }
}

/** What a context has to know of its recipe: only one that was not told what it is for refuses later text. */
export const withRecipe = (resolved: ResolvedSpec, input: ReadInput | undefined): ResolvedSpec =>
  input?.recipe && input.protocol === undefined ? { ...resolved, recipe: input.recipe } : resolved
