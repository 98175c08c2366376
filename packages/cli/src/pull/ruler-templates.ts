import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { jsonText } from '../output/put.ts'

/**
 * Writes `templates.json` (see the README of @qpkv/bench-ruler) from the fetched scripts. They are pinned by hash,
 * so the places where the texts stand are known; nothing of them is executed.
 * @throws KvError KV_DATA naming the file and the text that is not there
 */
export async function writeRulerTemplates(folder: string): Promise<string[]> {
  const read = async (name: string) => {
    const path = join(folder, 'scripts', name)
    return { path, text: await readFile(path, 'utf8') }
  }
  const constants = await read('constants.py')
  const niah = await read('niah.py')
  const tracking = await read('variable_tracking.py')
  const questions = await read('qa.py')
  const families = constants.text.matchAll(
    /'(\w+)'\s*:\s*\{\s*'tokens_to_generate':\s*\d+,\s*'template':\s*"""([^]*?)""",\s*'answer_prefix':\s*"""([^]*?)""",?\s*\}/g,
  )
  const tasks = Object.fromEntries(
    Array.from(families, ([, name = '', template = '', prefix = '']) => [
      name,
      { template: unescape(template), answer_prefix: unescape(prefix) },
    ]),
  )
  if (Object.keys(tasks).length !== 5) throw missing(constants.path, 'five templates')
  const singular = Array.from(
    niah.text.matchAll(/template = template\.replace\('([^']*)', '([^']*)'\)/g),
    (m) => [m[1], m[2]],
  )
  if (singular.length === 0) throw missing(niah.path, 'the replacements of the singular')
  const templates = {
    tasks,
    needle: find(niah, /^needle = "(.*)"$/m, 'the needle'),
    noise: find(niah, /haystack = "([^"]{20,})"/, 'the noise'),
    document: find(questions, /^DOCUMENT_PROMPT = "(.*)"$/m, 'the document'),
    assignment: find(tracking, /f"(\w+ )\{this_vars\[0\]\} = \{str\(/, 'the assignment') + '{name} = {value}',
    copy: `${find(tracking, /append\(f"(\w+ )\{this_vars\[j\+1\]\} = /, 'the copy')}{name} = ${find(tracking, /= (\w+ )\{this_vars\[j\]\} "/, 'the copy')}{previous} `,
    singular,
  }
  const path = join(folder, 'templates.json')
  await writeFile(path, jsonText(templates))
  return [path]
}

const unescape = (text: string): string => text.replaceAll(/\\n/g, '\n').replaceAll(/\\(["'\\])/g, '$1')

function find(file: { path: string; text: string }, pattern: RegExp, what: string): string {
  const found = pattern.exec(file.text)?.[1]
  if (found === undefined) throw missing(file.path, what)
  return unescape(found)
}

const missing = (path: string, what: string) =>
  new KvError('KV_DATA', `${path}: ${what} could not be found.`, {
    hint: 'Delete the file and pull again.',
  })
