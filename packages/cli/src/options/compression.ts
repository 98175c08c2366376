import { existsSync, statSync } from 'node:fs'
import type { CanaryOptions, CompressionInput } from '@qpkv/core'
import {
  checkSpec,
  loadRecipe,
  loadSpec,
  parseBudgetText,
  parseMethodText,
  parsePruneText,
  parseSpec,
  type CompressionSpec,
  type Recipe,
} from '@qpkv/spec'
import { Option, type Command } from 'commander'
import { UsageError } from '../usage-error.ts'
import { onlyOnce } from './only-once.ts'
import { readGiven } from './read-given.ts'

export interface CompressionFlags {
  readonly prune?: string
  readonly quantize?: string
  readonly budget?: string
  readonly spec?: string
  readonly recipe?: string
  readonly canary?: true | 'warn' | 'refuse'
}

/** Adds --prune, --quantize, --budget, --spec (or --compress) and --recipe. */
export const addCompressionOptions = (command: Command): Command =>
  command
    .option(
      '--prune <METHOD>',
      'which tokens to keep, such as snapkv:window=16 or keydiff~pyramid~ada',
      onlyOnce,
    )
    .option('--quantize <METHOD>', 'how to store them, such as kivi:bits=4,group=32,recent=8', onlyOnce)
    .option(
      '--budget <SIZE>',
      '128t entries | 64x16 of 16 bit | 25% of the prompt | 128KiB real bytes | 2%B of the full cache',
      onlyOnce,
    )
    .option(
      '--compress, --spec <FILE|TEXT>',
      'all of it: a JSON file, or a text such as snapkv+kivi:bits=4@128KiB',
      onlyOnce,
    )
    .option(
      '--recipe <FILE>',
      'a spec that qpkv plan found, with the model, lengths and protocol that it holds for',
      onlyOnce,
    )

/** Adds --canary, for commands whose prompts are the user's. */
export const addCanaryOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--canary [MODE]',
      'first hide numbers in a copy of the prompt and ask for them: warn (default) or refuse where too few come back',
    ).choices(['warn', 'refuse']),
  )

/** How prompts are compressed. */
export interface AskedCompression {
  readonly spec: CompressionSpec
  /** Where the spec came from one: what it does not hold for is refused. */
  readonly recipe?: Recipe
  readonly canary?: CanaryOptions
}

/** What the library is given. */
export const inputOf = ({ spec, recipe, canary }: AskedCompression): CompressionInput => ({
  ...(recipe ? { recipe } : spec),
  ...(canary && { canary }),
})

/** What the flags ask for; nothing given is an uncompressed cache. */
export async function readCompression(flags: CompressionFlags): Promise<AskedCompression> {
  const { prune, quantize, budget, spec, recipe, canary: mode } = flags
  const canary = mode && { canary: mode === true ? {} : { onFail: mode } }
  const parts = prune !== undefined || quantize !== undefined || budget !== undefined
  if ([parts, spec !== undefined, recipe !== undefined].filter(Boolean).length > 1)
    throw new UsageError(
      'Expected one of --recipe FILE, --spec TEXT, or --prune, --quantize and --budget, but several came.',
      'Leave the others out.',
    )
  if (recipe !== undefined) {
    const read = loadRecipe(await readGiven(recipe, '--recipe', 'qpkv plan writes one with --out FILE.'))
    return { spec: read.spec, recipe: read, ...canary }
  }
  if (spec !== undefined) return { spec: await readSpec(spec), ...canary }
  return {
    spec: checkSpec({
      ...(prune !== undefined && parsePruneText(prune)),
      ...(quantize !== undefined && { quantize: parseMethodText(quantize) }),
      ...(budget !== undefined && { budget: parseBudgetText(budget) }),
    }),
    ...canary,
  }
}

async function readSpec(given: string): Promise<CompressionSpec> {
  if (given.trimStart().startsWith('{')) return loadSpec(given)
  const file = given.endsWith('.json') || (existsSync(given) && statSync(given).isFile())
  if (!file) return parseSpec(given)
  return loadSpec(specOf(await readGiven(given, '--spec')))
}

/** A spec file, or anything that holds one under `spec`, such as what --json wrote. */
function specOf(text: string): unknown {
  try {
    const value = JSON.parse(text) as { spec?: unknown } | null
    return typeof value === 'object' && value?.spec !== undefined ? value.spec : text
  } catch {
    return text
  }
}
