import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readLines } from '@qpkv/bench-kit'
import { sentence, WorldRandom } from '@qpkv/reference-model'
import { KvError } from '@qpkv/spec'
import type { TextCodec } from './insert-needles.ts'

/** `sorted`: by name. `listed`: as the file system lists them, which is what two of the original codes do. */
export type EssayOrder = 'sorted' | 'listed'

/** Texts of a folder's `.txt` files. Throws KV_DATA when it cannot be read, holds none or no text, or one is not UTF-8. */
export async function readEssays(folder: string, order: EssayOrder = 'sorted'): Promise<string[]> {
  let names: string[]
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith('.txt'))
  } catch (cause) {
    throw new KvError('KV_DATA', `Cannot read the essay folder ${folder}: ${(cause as Error).message}.`, {
      hint: 'Give the folder that holds the .txt files.',
      cause,
    })
  }
  if (order === 'sorted') names.sort((a, b) => (a < b ? -1 : 1))
  if (names.length === 0) {
    throw new KvError('KV_DATA', `Expected .txt files in ${folder} but found none.`, {
      hint: 'Point to the folder of essays, or leave it out to use the bundled world as haystack.',
    })
  }
  const essays = await Promise.all(names.map((name) => readUtf8(join(folder, name))))
  if (essays.some((essay) => essay.trim() !== '')) return essays
  throw new KvError('KV_DATA', `The ${names.length} .txt files of ${folder} are empty.`, {
    hint: 'Fetch them again (qpkv pull needle-essays), or leave the folder out to use the bundled world as haystack.',
  })
}

/** Every line is looked at first, so that the message names the one at fault; a byte order mark stays, as in the originals. */
async function readUtf8(path: string): Promise<string> {
  for await (const { line, text } of readLines(createReadStream(path), path)) {
    if (text === null)
      throw new KvError('KV_DATA', `${path}:${line}: expected UTF-8 but the bytes are in another encoding.`, {
        hint: 'Save the essay as UTF-8, or move it out of the folder; the haystack is another one then.',
      })
  }
  return readFile(path, 'utf8')
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
