import { dataError } from '@qpkv/bench-kit'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import type { DatasetFacts } from './datasets.ts'

/** Prompt templates and answer lengths by dataset, and prompt lengths by model, as the official files give them. */
export interface OfficialConfig {
  prompts: Readonly<Record<string, string>>
  maxNewTokens: Readonly<Record<string, number>>
  /** From model2maxlen.json, where there is one. */
  maxPromptTokens: Readonly<Record<string, number>>
}

/** Where the files are looked for below the folder that the user names. */
const folders = ['', 'config', join('LongBench', 'config')]

async function findFile(folder: string, name: string): Promise<{ file: string; text: string } | undefined> {
  for (const below of folders) {
    const file = join(folder, below, name)
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) return { file, text }
  }
  return undefined
}

async function readTable<T>(
  folder: string,
  name: string,
  kind: 'string' | 'number',
): Promise<Record<string, T> | undefined> {
  const found = await findFile(folder, name)
  if (!found) return undefined
  let table: unknown
  try {
    table = JSON.parse(found.text)
  } catch (error) {
    throw dataError(
      found.file,
      `expected JSON (${String(error)})`,
      'Take the file from the official repository.',
    )
  }
  const entries = typeof table === 'object' && table !== null ? Object.entries(table) : []
  const wrong = entries.find(([, value]) => typeof value !== kind)
  if (entries.length === 0 || wrong) {
    const problem = wrong ? `expected a ${kind} for "${wrong[0]}"` : 'expected a table by dataset'
    throw dataError(found.file, problem, 'Take the file from the official repository.')
  }
  return table as Record<string, T>
}

/**
 * Reads `dataset2prompt.json`, `dataset2maxlen.json` and, if there, `model2maxlen.json` from the user's copy of the
 * official repository (the folder itself, `config/` or `LongBench/config/`).
 * @throws KvError KV_DATA where one is missing or no table.
 */
export async function loadOfficialConfig(folder: string): Promise<OfficialConfig> {
  const prompts = await readTable<string>(folder, 'dataset2prompt.json', 'string')
  const maxNewTokens = await readTable<number>(folder, 'dataset2maxlen.json', 'number')
  if (!prompts || !maxNewTokens) {
    const missing = prompts ? 'dataset2maxlen.json' : 'dataset2prompt.json'
    throw new KvError('KV_DATA', `Expected ${missing} in ${folder} or its config folder but there is none.`, {
      hint: 'Point to the folder LongBench/config of the official repository, or run: qpkv pull longbench',
    })
  }
  return {
    prompts,
    maxNewTokens,
    maxPromptTokens: (await readTable<number>(folder, 'model2maxlen.json', 'number')) ?? {},
  }
}

/** The template and answer length of a dataset; `_e` files use those of the base name. @throws KvError KV_DATA. */
export function configOf(
  config: OfficialConfig,
  dataset: DatasetFacts,
): { prompt: string; maxNewTokens: number } {
  const prompt = config.prompts[dataset.name]
  const maxNewTokens = config.maxNewTokens[dataset.name]
  if (prompt !== undefined && maxNewTokens !== undefined) return { prompt, maxNewTokens }
  throw new KvError(
    'KV_DATA',
    `The official config has no ${prompt === undefined ? 'prompt' : 'length'} for ${dataset.name}.`,
    {
      hint: 'Take both files from the same commit of the official repository.',
    },
  )
}
