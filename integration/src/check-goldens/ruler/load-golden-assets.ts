import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadAssets, type TokenCounter } from '@qpkv/bench-ruler'
import { loadTokenizer } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
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
  const tokenizer = await loadTokenizer(folder)
  if (tokenizer === undefined) {
    throw new KvError('KV_DATA', `${join(folder, 'tokenizer.json')}: the golden files need this file.`, {
      hint: 'Put the tokenizer.json that the files were made with (Llama-3) there.',
    })
  }
  return { countTokens: (text) => tokenizer.encode(text, { special: false }).length }
}
