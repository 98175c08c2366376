import type { Json } from '../json.ts'
import { fail, findOutside, isName, isNumber } from './scan.ts'

/** JSON in single quotes, where a single quote is doubled. */
export function parseQuoted(text: string, from: number, to: number): Json {
  const raw = text.slice(from, to)
  if (raw.length < 2 || !raw.endsWith("'")) throw fail(text, from, 'a quoted value must end with its quote')
  try {
    return JSON.parse(raw.slice(1, -1).replaceAll("''", "'")) as Json
  } catch {
    throw fail(text, from, 'the text in single quotes is not JSON', `Quote texts twice: '"like this"'.`)
  }
}

function parseValue(text: string, from: number, to: number): Json {
  const raw = text.slice(from, to)
  if (raw.length === 0) throw fail(text, from, 'a value is missing after "="')
  if (raw.startsWith("'")) return parseQuoted(text, from, to)
  if (raw.includes('~'))
    throw fail(
      text,
      text.indexOf('~', from),
      '"~" parts a pruner from its allocator',
      `Quote it: '"${raw}"'.`,
    )
  if (raw === 'true' || raw === 'false') return raw === 'true'
  if (raw === 'null') return null
  if (isNumber(raw)) return Number(raw)
  if (/^-?(?:\d|\.\d)/.test(raw) && !isName(raw))
    throw fail(text, from, `"${raw}" is neither a number nor a name`)
  return raw
}

/** `k=v,…` of text[from, to). Throws KV_INVALID_SPEC with the column. */
export function parsePairs(text: string, from: number, to: number): Record<string, Json> {
  const pairs: Record<string, Json> = {}
  for (let at = from; at < to;) {
    const end = Math.min(to, findOutside(text, at, ','))
    const equals = text.indexOf('=', at)
    if (equals < 0 || equals >= end)
      throw fail(text, at, `expected name=value, found "${text.slice(at, end)}"`)
    const name = text.slice(at, equals)
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) throw fail(text, at, `"${name}" is not an option name`)
    if (Object.hasOwn(pairs, name)) throw fail(text, at, `"${name}" is given twice`)
    pairs[name] = parseValue(text, equals + 1, end)
    if (end + 1 === to) throw fail(text, end, 'expected name=value after ","')
    at = end + 1
  }
  if (from >= to) throw fail(text, from, 'expected name=value after ":"')
  return pairs
}
