import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sentence, WorldRandom } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { TextCodec } from './insert-needles.ts'

/** `sorted`: by name. `listed`: as the file system lists them, which is what two of the original codes do. */
export type EssayOrder = 'sorted' | 'listed'

/** Texts of a folder's `.txt` files. Throws KV_DATA when it cannot be read, holds none, or one is not UTF-8. */
export async function readEssays(folder: string, order: EssayOrder = 'sorted'): Promise<string[]> {
  let names: string[]
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith('.txt'))
  } catch (cause) {
    throw new KvError('KV_DATA', `Cannot read the essay folder ${folder}: ${(cause as Error).message}.`, {
      cause,
    })
  }
  if (order === 'sorted') names.sort((a, b) => (a < b ? -1 : 1))
  if (names.length === 0) {
    throw new KvError('KV_DATA', `Expected .txt files in ${folder} but found none.`, {
      hint: 'Point to the folder of essays, or leave it out to use the bundled world as haystack.',
    })
  }
  return Promise.all(names.map((name) => readUtf8(join(folder, name))))
}

async function readUtf8(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(path))
  } catch (cause) {
    throw new KvError('KV_DATA', `${path} is not UTF-8 text.`, { cause })
  }
}

/** Essays one after the other, again from the first, until there are `tokens` tokens. Throws KV_DATA for essays without text. */
export function joinEssays(essays: readonly string[], tokens: number, codec: TextCodec): string {
  const counts = essays.map((essay) => codec.encode(essay).length)
  if (!essays.some((essay) => essay.trim() !== '')) throw new KvError('KV_DATA', 'The essays hold no text.')
  let text = ''
  let count = 0
  for (let i = 0; count < tokens; i = (i + 1) % essays.length) {
    text += essays[i] ?? ''
    count += counts[i] ?? 0
  }
  return text
}

/** A haystack of the bundled model's world: sentences without any fact, seeded. */
export function worldHaystack(seed: string | number, tokens: number, codec: TextCodec): string {
  const random = new WorldRandom(`haystack/${seed}`)
  const parts: string[] = []
  for (let count = 0; count < tokens;) {
    const next = ` ${sentence(random)}`
    parts.push(next)
    count += codec.encode(next).length
  }
  return parts.join('')
}
