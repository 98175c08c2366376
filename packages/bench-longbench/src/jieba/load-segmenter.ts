import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { type Dictionary, parseDictionary } from './dictionary.ts'
import { type HmmTables, parseHmmModel, parseProbFiles } from './hmm-tables.ts'
import { createSegmenter } from './segmenter.ts'

const requireHere = createRequire(import.meta.url)

/** Folders below the assets folder that are looked into, first hit wins; `finalseg` is jieba's own layout. */
const folders = ['', 'jieba', 'lexica', 'lexica/jieba', 'jieba/jieba']
const tableFolders = folders.flatMap((folder) => [folder, join(folder, 'finalseg'), join(folder, 'dict')])

const readIfThere = async (file: string): Promise<string | undefined> => {
  try {
    return await readFile(file, 'utf8')
  } catch {
    return undefined
  }
}

const resolveIfInstalled = (request: string): string | undefined => {
  try {
    return requireHere.resolve(request)
  } catch {
    return undefined
  }
}

async function findProbFiles(folder: string): Promise<HmmTables | undefined> {
  const find = async (name: string): Promise<{ file: string; text: string } | undefined> => {
    for (const ending of ['py', 'json']) {
      const file = join(folder, `prob_${name}.${ending}`)
      const text = await readIfThere(file)
      if (text !== undefined) return { file, text }
    }
    return undefined
  }
  const [start, trans, emit] = [await find('start'), await find('trans'), await find('emit')]
  return start && trans && emit ? parseProbFiles({ start, trans, emit }) : undefined
}

async function findTables(assets: string | undefined): Promise<HmmTables | undefined> {
  if (assets !== undefined) {
    for (const folder of tableFolders) {
      const tables = await findProbFiles(join(assets, folder))
      if (tables) return tables
      const file = join(assets, folder, 'hmm_model.utf8')
      const text = await readIfThere(file)
      if (text !== undefined) return parseHmmModel(text, file)
    }
  }
  const file = resolveIfInstalled('nodejieba/submodules/cppjieba/dict/hmm_model.utf8')
  const text = file === undefined ? undefined : await readIfThere(file)
  return file !== undefined && text !== undefined ? parseHmmModel(text, file) : undefined
}

async function findDictionary(assets: string | undefined): Promise<Dictionary> {
  for (const folder of assets === undefined ? [] : folders) {
    const file = join(assets ?? '', folder, 'dict.txt')
    const text = await readIfThere(file)
    if (text !== undefined) return parseDictionary(text, file)
  }
  const file = requireHere.resolve('@node-rs/jieba/dict.txt')
  const dictionary = parseDictionary(await readFile(file, 'utf8'), file)
  // The npm copy lists every word once; the original lists one word of count 3 twice, which its total counts twice.
  return dictionary.total === 60101964 ? { ...dictionary, total: 60101967 } : dictionary
}

/**
 * The segmenter of the official Chinese scores. The dictionary comes from `assets` or else from the npm package
 * `@node-rs/jieba`; the HMM tables from `assets` or else from an installed `nodejieba`. The README has the layout.
 * @throws KvError KV_DATA where there are no HMM tables or a file is broken.
 */
export async function loadSegmenter(assets?: string): Promise<(text: string) => string[]> {
  const tables = await findTables(assets)
  if (!tables) {
    const where = assets === undefined ? 'no assets folder was given' : `${assets} has none`
    throw new KvError('KV_DATA', `Chinese scores need jieba's HMM tables, and ${where}.`, {
      hint:
        'Put prob_start.py, prob_trans.py and prob_emit.py of jieba 0.42.1 into ASSETS/jieba, ' +
        'or run: npm install nodejieba --ignore-scripts',
    })
  }
  return createSegmenter(await findDictionary(assets), tables)
}
