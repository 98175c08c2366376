import { dataError } from '@qpkv/bench-kit'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A trained Punkt model (Kiss and Strunk 2006, https://aclanthology.org/J06-4003/), as NLTK keeps it. */
export interface PunktParameters {
  /** lower-case words that end in a dot without ending a sentence; without the dot */
  readonly abbreviations: ReadonlySet<string>
  /** pairs `first<TAB>second` of word types between which no sentence ends */
  readonly collocations: ReadonlySet<string>
  /** lower-case words that often begin a sentence */
  readonly sentenceStarters: ReadonlySet<string>
  /** word type to the sum of the contexts it was seen in, see {@link OrthographicContext} */
  readonly orthographicContext: ReadonlyMap<string, number>
}

/** Bits of an orthographic context: case of the first letter and place in the sentence. */
export const OrthographicContext = {
  middleUpper: 4,
  anyUpper: 2 + 4 + 8,
  beginningLower: 16,
  anyLower: 16 + 32 + 64,
} as const

/** `punkt.json`: the four parts under NLTK's names. */
interface PunktJson {
  readonly abbrev_types: readonly string[]
  readonly collocations: readonly (readonly [string, string])[]
  readonly sent_starters: readonly string[]
  readonly ortho_context: Readonly<Record<string, number>>
}

/**
 * Parameters from a JSON file `{abbrev_types: [], collocations: [[a, b]], sent_starters: [], ortho_context: {type: bits}}`
 * or from a folder as in NLTK's punkt_tab (abbrev_types.txt, collocations.tab, sent_starters.txt, ortho_context.tab).
 *
 * @throws KvError KV_DATA naming the file, and the line where a line is malformed
 */
export async function loadPunktParameters(path: string): Promise<PunktParameters> {
  const files = await readdir(path).catch(() => null)
  return files === null ? parsePunktJson(await readText(path), path) : loadPunktTab(path)
}

export function parsePunktJson(text: string, path: string): PunktParameters {
  try {
    const json = JSON.parse(text) as PunktJson
    return {
      abbreviations: new Set(json.abbrev_types),
      collocations: new Set(json.collocations.map(([first, second]) => collocationKey(first, second))),
      sentenceStarters: new Set(json.sent_starters),
      orthographicContext: new Map(Object.entries(json.ortho_context)),
    }
  } catch (cause) {
    const wanted =
      '{"abbrev_types": [], "collocations": [["a", "b"]], "sent_starters": [], "ortho_context": {}}'
    throw dataError(path, `expected ${wanted}`, 'See "Assets" in the README of @qpkv/bench-ruler.', cause)
  }
}

/** Key of a pair in `PunktParameters.collocations`. */
export function collocationKey(first: string, second: string): string {
  return `${first}\t${second}`
}

async function loadPunktTab(folder: string): Promise<PunktParameters> {
  const contexts = join(folder, 'ortho_context.tab')
  return {
    abbreviations: new Set(await readLines(join(folder, 'abbrev_types.txt'))),
    collocations: new Set(await readLines(join(folder, 'collocations.tab'))),
    sentenceStarters: new Set(await readLines(join(folder, 'sent_starters.txt'))),
    orthographicContext: new Map(
      (await readLines(contexts)).map((line, i) => readContext(line, `${contexts}:${i + 1}`)),
    ),
  }
}

function readContext(line: string, place: string): [string, number] {
  const [type, bits, ...rest] = line.split('\t')
  const value = Number(bits)
  if (type === undefined || bits === undefined || rest.length > 0 || !Number.isInteger(value)) {
    throw dataError(place, `expected "word<TAB>number" but found ${JSON.stringify(line)}`)
  }
  return [type, value]
}

async function readLines(path: string): Promise<string[]> {
  return (await readText(path)).split(/\r?\n/).filter((line) => line !== '')
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw dataError(
      path,
      'the Punkt parameters cannot be read',
      'Give punkt.json or a punkt_tab language folder.',
      cause,
    )
  }
}
