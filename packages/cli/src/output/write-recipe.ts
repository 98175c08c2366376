import { existsSync } from 'node:fs'
import type { Recipe } from '@qpkv/spec'
import type { Io } from '../io.ts'
import { UsageError } from '../usage-error.ts'
import { jsonText, put } from './put.ts'

/** Before anything is measured: what would be written must not be there yet. */
export function refuseExisting(files: readonly (string | undefined)[], replace = false): void {
  const there = replace ? undefined : files.find((file) => file !== undefined && existsSync(file))
  if (there !== undefined)
    throw new UsageError(`${there} is there already.`, 'Choose another name, or add --replace.')
}

/** Writes a recipe for --recipe, with the model's name as the user knows it. */
export async function writeRecipe(path: string, recipe: Recipe, name: string, io: Io): Promise<void> {
  await put(path, jsonText({ ...recipe, model: { ...recipe.model, name } }))
  io.stderr.write(`recipe: ${path}; use it with --recipe ${path}\n`)
}
