import { isPlainObject, KvError } from '@qpkv/spec'

/**
 * How a model writes its calls. It is read off the model's own template: a call with known words is rendered, and where these
 * words stand tells the rest.
 *
 *   object     opening {"name": NAME, "arguments": {…}}   several, maybe in a list
 *   named      opening NAME middle {…}
 *   parameters opening NAME, then for each: before KEY between VALUE after
 */
export type ToolFormat =
  | {
      readonly kind: 'object'
      readonly opening: string
      readonly name: readonly string[]
      readonly arguments: readonly string[]
    }
  | { readonly kind: 'named'; readonly opening: string; readonly middle: string }
  | {
      readonly kind: 'parameters'
      readonly opening: string
      /** Between the name and the first key. */
      readonly first: string
      /** Before each further key. */
      readonly before: string
      readonly between: string
      readonly after: string
    }

const NAME = 'qpkvtool'
const KEYS = ['qpkvkeya', 'qpkvkeyb'] as const
const VALUES = ['qpkvvaluea', 'qpkvvalueb'] as const

/** Renders messages; `open` asks for the beginning of a reply behind them. */
export type Render = (messages: readonly unknown[], open: boolean) => Promise<string>

/** @throws KV_UNSUPPORTED for a template that does not write calls. */
export async function learnToolFormat(render: Render): Promise<ToolFormat> {
  const user = { role: 'user', content: '-' }
  const args = { [KEYS[0]]: VALUES[0], [KEYS[1]]: VALUES[1] }
  const call = { id: 'callqpkv0', type: 'function', function: { name: NAME, arguments: args } }
  const turn = await render([user], true)
  const text = await render([user, { role: 'assistant', content: '', tool_calls: [call] }], false)
  const nameAt = text.lastIndexOf(NAME)
  const start = commonLength(turn, text)
  if (nameAt < start) throw unsupported()
  const open = (at: number) => text.slice(start, at).replace(/\[\s*$/, '')
  const object = objectAround(text, nameAt, start)
  if (object) {
    const name = pathOf(object.value, (value) => value === NAME)
    const own = pathOf(object.value, (value) => isPlainObject(value) && KEYS[0] in value)
    if (name && own) return { kind: 'object', opening: open(object.at), name, arguments: own }
  }
  const rest = text.slice(nameAt + NAME.length)
  const brace = rest.indexOf('{')
  const json = brace < 0 ? undefined : readJson(rest, brace)
  if (json && isPlainObject(json.value) && KEYS[0] in json.value)
    return { kind: 'named', opening: open(nameAt), middle: rest.slice(0, brace) }
  return parametersFormat(open(nameAt), rest)
}

function parametersFormat(opening: string, rest: string): ToolFormat {
  const [a, b] = KEYS.map((key) => rest.indexOf(key)) as [number, number]
  const [x, y] = VALUES.map((value) => rest.indexOf(value)) as [number, number]
  if (!(0 <= a && a < x && x < b && b < y)) throw unsupported()
  const first = rest.slice(0, a)
  const gap = rest.slice(x + VALUES[0].length, b)
  let common = 0
  while (common < Math.min(first.length, gap.length) && first.at(-1 - common) === gap.at(-1 - common))
    common++
  // What both share may reach into what closes a value: a key's own begins in its line.
  const shared = gap.slice(gap.length - common)
  const before = shared.slice(shared.trimEnd().lastIndexOf('\n') + 1)
  return {
    kind: 'parameters',
    opening,
    first,
    before,
    between: rest.slice(a + KEYS[0].length, x),
    after: gap.slice(0, gap.length - before.length),
  }
}

/** The outermost JSON object around a place that has both words. */
function objectAround(text: string, at: number, from: number) {
  let widest: { readonly at: number; readonly value: unknown } | undefined
  for (let begin = text.lastIndexOf('{', at); begin >= from; begin = text.lastIndexOf('{', begin - 1)) {
    const json = readJson(text, begin)
    if (json && json.end > at && JSON.stringify(json.value).includes(KEYS[0]))
      widest = { at: begin, value: json.value }
    if (begin === 0) break
  }
  return widest
}

function pathOf(value: unknown, found: (value: unknown) => boolean): string[] | undefined {
  if (!isPlainObject(value)) return undefined
  for (const [key, inner] of Object.entries(value)) {
    if (found(inner)) return [key]
    const deeper = pathOf(inner, found)
    if (deeper) return [key, ...deeper]
  }
  return undefined
}

/** The JSON object or list that begins at a place. */
export function readJson(
  text: string,
  begin: number,
): { readonly value: unknown; readonly end: number } | undefined {
  let depth = 0
  let quoted = false
  for (let at = begin; at < text.length; at++) {
    const c = text[at]
    if (quoted) {
      if (c === '\\') at++
      else if (c === '"') quoted = false
    } else if (c === '"') quoted = true
    else if (c === '{' || c === '[') depth++
    else if ((c === '}' || c === ']') && --depth === 0) {
      try {
        return { value: JSON.parse(text.slice(begin, at + 1)) as unknown, end: at + 1 }
      } catch {
        return undefined
      }
    }
  }
  return undefined
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++
  return length
}

const unsupported = () =>
  new KvError(
    'KV_UNSUPPORTED',
    "The model's chat template does not write tool calls in a form that can be read back.",
    { hint: 'Use a model that was made for tools, or leave tools out.' },
  )
