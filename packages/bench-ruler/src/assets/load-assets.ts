import { dataError } from '@qpkv/bench-kit'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { stripEnd } from '../python/python-text.ts'
import { loadPunktParameters } from '../punkt/punkt-parameters.ts'
import { punktSplitter } from '../punkt/punkt-splitter.ts'
import { readHotpotQa, readSquad, type QuestionSet } from '../tasks/question-set.ts'
import { parseTemplates } from './parse-templates.ts'
import type { RulerAssets } from './ruler-assets.ts'

type Mutable<T> = { -readonly [key in keyof T]: T[key] }

/**
 * Assets from a folder; the README lists the files. `templates.json` and the three word lists must be there, the
 * other files may be absent: the tasks that need them then say so.
 *
 * @throws KvError KV_DATA naming the file that is missing or malformed
 */
export async function loadAssets(folder: string): Promise<RulerAssets> {
  const templatesPath = join(folder, 'templates.json')
  const assets: Mutable<RulerAssets> = {
    name: folder,
    templates: parseTemplates(await requireText(templatesPath), templatesPath),
    nouns: await readWords(join(folder, 'nounlist.txt')),
    adjectives: await readWords(join(folder, 'adjectivelist.txt')),
    verbs: await readWords(join(folder, 'verblist.txt')),
  }
  const english = await readEnglishWords(join(folder, 'english_words.json'))
  if (english !== undefined) assets.englishWords = english
  const essay = await readEssays(folder)
  if (essay !== undefined) assets.essay = essay
  const splitter = await readSplitter(folder)
  if (splitter !== undefined) assets.splitSentences = splitter
  const squad = await readQuestions(join(folder, 'squad.json'), readSquad)
  if (squad !== undefined) assets.squad = squad
  const hotpotqa = await readQuestions(join(folder, 'hotpotqa.json'), readHotpotQa)
  if (hotpotqa !== undefined) assets.hotpotqa = hotpotqa
  return assets
}

/** One word a line, trailing white space removed, as wonderwords reads its lists. */
async function readWords(path: string): Promise<string[]> {
  const lines = (await requireText(path)).split(/\r\n|\r|\n/)
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0) throw dataError(path, 'expected one word a line but the file is empty')
  return lines.map(stripEnd)
}

/** `english_words.json`: an object whose values are words. */
async function readEnglishWords(path: string): Promise<string[] | undefined> {
  const text = await optionalText(path)
  if (text === undefined) return undefined
  const values: unknown[] = Object.values(parseJson(text, path) as Record<string, unknown>)
  if (values.some((value) => typeof value !== 'string')) {
    throw dataError(
      path,
      'expected an object whose values are words',
      'A Git LFS pointer is not the file itself.',
    )
  }
  return values as string[]
}

/** PaulGrahamEssays.json with a field `text`, else all .txt files of `essays/` in the order of their names. */
async function readEssays(folder: string): Promise<string | undefined> {
  const path = join(folder, 'PaulGrahamEssays.json')
  const json = await optionalText(path)
  if (json !== undefined) {
    const text = (parseJson(json, path) as { text?: unknown }).text
    if (typeof text !== 'string' || text === '') throw dataError(path, 'expected {"text": "all essays"}')
    return text
  }
  const essays = join(folder, 'essays')
  const names = ((await readdir(essays).catch(() => null)) ?? [])
    .filter((name) => name.endsWith('.txt'))
    .sort()
  if (names.length === 0) return undefined
  const texts = await Promise.all(names.map((name) => requireText(join(essays, name))))
  return texts.map((text) => text.replaceAll(/\r\n|\r/g, '\n')).join('')
}

async function readSplitter(folder: string): Promise<((text: string) => string[]) | undefined> {
  for (const name of ['punkt.json', join('punkt_tab', 'english')]) {
    const path = join(folder, name)
    if (await exists(path)) return punktSplitter(await loadPunktParameters(path))
  }
  return undefined
}

async function readQuestions(
  path: string,
  read: (text: string, path: string) => QuestionSet,
): Promise<QuestionSet | undefined> {
  const text = await optionalText(path)
  return text === undefined ? undefined : read(text, path)
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw dataError(path, 'the file is not JSON', 'A Git LFS pointer is not the file itself.', cause)
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

async function optionalText(path: string): Promise<string | undefined> {
  return (await exists(path)) ? readFile(path, 'utf8') : undefined
}

async function requireText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw dataError(
      path,
      'the assets need this file',
      'See "Assets" in the README of @qpkv/bench-ruler.',
      cause,
    )
  }
}
