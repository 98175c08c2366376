import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadAssets } from '../assets/load-assets.ts'
import { dataError } from '../ruler-error.ts'
import type { TokenCounter } from '../tasks/generator-context.ts'
import type { GoldenAssets } from './check-file-goldens.ts'

/**
 * Official assets and tokenizer for `checkGoldens` from one folder: the files of `loadAssets` (templates of the current
 * scripts) and the tokenizer.json of Llama-3, all in `folder/ruler` or, if there is none, in the folder itself.
 *
 * @throws KvError KV_DATA naming the file that is missing
 */
export async function loadGoldenAssets(folder: string): Promise<GoldenAssets> {
  const own = join(folder, 'ruler')
  const place = (await stat(own).catch(() => null)) === null ? folder : own
  return { assets: await loadAssets(place), tokenizer: await loadTokenCounter(place) }
}

/** Counts with the tokenizer.json of a folder, without special tokens. */
async function loadTokenCounter(folder: string): Promise<TokenCounter> {
  // Loaded here only: generators, readers and metrics work without the engine.
  const { loadTokenizer } = await import('@qpkv/core')
  const tokenizer = await loadTokenizer(folder)
  if (tokenizer === undefined) {
    const hint = 'Put the tokenizer.json that the files were made with (Llama-3) there.'
    throw dataError(join(folder, 'tokenizer.json'), 'the golden files need this file.', hint)
  }
  return { countTokens: (text) => tokenizer.encode(text, { special: false }).length }
}
