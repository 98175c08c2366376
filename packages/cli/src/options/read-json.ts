import { readText } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { parseTree, type ParseError } from 'jsonc-parser'

/** The value of a JSON file that describes what to measure. @throws KvError KV_INVALID_SPEC with the line that is no JSON */
export async function readJson(path: string, hint: string): Promise<unknown> {
  const wrong = (problem: string) => new KvError('KV_INVALID_SPEC', problem, { hint })
  const text = await readText(path).catch((cause: Error) => {
    throw wrong(`${path} cannot be read (${cause.message}).`)
  })
  try {
    return JSON.parse(text)
  } catch {
    // Node's own message names no place.
    const errors: ParseError[] = []
    parseTree(text, errors, { disallowComments: true })
    const line = text.slice(0, errors[0]?.offset ?? text.length).split('\n').length
    throw wrong(`${path}:${line}: here the file stops being JSON.`)
  }
}
