import type { Message } from '@qpkv/core'
import { isPlainObject, KvError } from '@qpkv/spec'
import { parseCalls } from './parse-calls.ts'
import {
  ID,
  readJson,
  type CallInput,
  type ParametersBody,
  type Render,
  type ToolFormat,
} from './tool-format.ts'

/*
 * A format is read off the model's own template: calls with known words are rendered, and where these words stand tells the
 * rest. What was learnt is then tried: calls that the template writes have to come back from the parser.
 */

const SAID = 'xqpkvsaid'
const NAMES = ['qpkvtool', 'qpkvother'] as const
const KEYS = ['qpkvkeya', 'qpkvkeyb'] as const
const VALUES = ['qpkvvaluea', 'qpkvvalueb'] as const
const NUMBER = 918273
const IDS = [ID, 'callqpkv1'] as const

/** What templates of models that think put before a call without thoughts. */
const EMPTY_THOUGHT = /^[^]*think\w*\|?>/i

const INPUTS: readonly CallInput[] = [
  { text: false, content: '' },
  { text: false, content: null },
  { text: true, content: '' },
  { text: true, content: null },
]

type Arguments = Readonly<Record<string, string | number>>
type Body = Pick<ToolFormat, 'kind'> & Record<string, unknown>

/** @throws KV_UNSUPPORTED for a template that does not write calls, or none that can be read back. */
export async function learnToolFormat(render: Render): Promise<ToolFormat> {
  let failure: unknown
  for (const wants of INPUTS)
    try {
      const format = await learnWith(render, wants)
      if (format) return format
    } catch (cause) {
      failure ??= cause
    }
  throw new KvError(
    'KV_UNSUPPORTED',
    "The model's chat template does not write tool calls in a form that can be read back.",
    {
      hint: 'Use a model that was made for tools, or leave tools out.',
      ...(failure !== undefined && { cause: failure }),
    },
  )
}

async function learnWith(render: Render, wants: CallInput): Promise<ToolFormat | undefined> {
  const user: Message = { role: 'user', content: '-' }
  const turn = (reply: Partial<Message>) =>
    render([user, { role: 'assistant', content: wants.content, ...reply }], false)
  const calls = (...each: readonly Arguments[]) =>
    turn({
      tool_calls: each.map((args, i) => ({
        id: IDS[i],
        type: 'function',
        function: { name: NAMES[i], arguments: wants.text ? JSON.stringify(args) : args },
      })),
    })
  const texts = { [KEYS[0]]: VALUES[0], [KEYS[1]]: VALUES[1] }
  const plain = await turn({ content: SAID })
  const text = await calls(texts)
  const start = markStart(text, commonStart(plain, text))
  const nameAt = text.lastIndexOf(NAMES[0])
  if (nameAt < start) return undefined
  const found =
    objectBody(text, nameAt, start) ??
    namedBody(text, nameAt) ??
    parametersBody(text, nameAt, await calls({ ...texts, [KEYS[0]]: NUMBER }))
  if (!found) return undefined
  const { body, at } = found
  const opening = text
    .slice(start, at)
    .replace(EMPTY_THOUGHT, '')
    .replace(/\[\s*$/, '')
  // A name alone, or one that stands twice, cannot be told from text.
  if (opening.includes(NAMES[0]) || (opening.trim() === '' && found.body.kind !== 'object')) return undefined
  const one = { ...body, opening, again: opening, several: false, wants } as ToolFormat
  const odd: Arguments = { [KEYS[0]]: 'a "b"\\ {c}', [KEYS[1]]: NUMBER }
  if (!comesBack(await calls(odd), start, one, [odd])) return undefined
  return learnSeveral(one, start, () => calls(texts, odd), [texts, odd])
}

/** With what stands before a further call, where the template takes one. */
async function learnSeveral(
  one: ToolFormat,
  start: number,
  render: () => Promise<string>,
  wanted: readonly Arguments[],
): Promise<ToolFormat> {
  let text: string
  try {
    text = await render()
  } catch {
    return one
  }
  const second = text.lastIndexOf(NAMES[1])
  const object = one.kind === 'object' ? objectAround(text, second, start) : undefined
  const before = text.slice(start, object?.at ?? second)
  // The end of what stands before both, as long as it says something.
  const { opening } = one
  const shared = commonEnd(opening, before)
  const inTag = markStart(opening, opening.length - shared.length) < opening.length - shared.length
  const again = inTag ? shared.replace(/^[^>\]]*[>\]]/, '') : shared
  const marks = [again, opening].filter((mark) => /[^\s[\](),;]/.test(mark))
  for (const mark of marks) {
    const several = { ...one, again: mark, several: true }
    if (comesBack(text, start, several, wanted)) return several
  }
  const several = { ...one, several: true }
  return comesBack(text, start, several, wanted) ? several : one
}

function comesBack(text: string, start: number, format: ToolFormat, wanted: readonly Arguments[]): boolean {
  const parameters = { type: 'object', properties: { [KEYS[1]]: {}, [KEYS[0]]: { type: 'string' } } }
  const tools = NAMES.map((name) => ({ name, parameters }))
  const { calls } = parseCalls(text.slice(start), format, tools)
  return (
    calls.length === wanted.length &&
    calls.every(({ name, arguments: args }, i) => name === NAMES[i] && args === JSON.stringify(wanted[i]))
  )
}

/** The call as a JSON object that has the name and the arguments in it. */
function objectBody(text: string, nameAt: number, start: number) {
  const object = objectAround(text, nameAt, start)
  if (!object) return undefined
  const name = pathOf(object.value, (value) => value === NAMES[0])
  const own = pathOf(object.value, (value) => isPlainObject(value) && KEYS[0] in value)
  const body: Body = { kind: 'object', name, arguments: own }
  return name && own ? { body, at: object.at } : undefined
}

/** The name, and the arguments as a JSON object some way behind it. */
function namedBody(text: string, at: number) {
  const rest = text.slice(at + NAMES[0].length)
  const brace = rest.indexOf('{')
  const json = brace < 0 ? undefined : readJson(rest, brace)
  if (!json || !isPlainObject(json.value) || !(KEYS[0] in json.value)) return undefined
  const body: Body = { kind: 'named', middle: rest.slice(0, brace) }
  return { body, at }
}

/** The name, and every argument between marks of its own. */
function parametersBody(written: string, at: number, numeric: string) {
  const rest = written.slice(at + NAMES[0].length)
  const [a, b] = KEYS.map((key) => rest.indexOf(key)) as [number, number]
  const [x, y] = VALUES.map((value) => rest.indexOf(value)) as [number, number]
  if (!(0 <= a && a < x && x < b && b < y)) return undefined
  const first = rest.slice(0, a)
  const gap = rest.slice(x + VALUES[0].length, b)
  // What both share may reach into what closes a value: a key's own begins in its line.
  const shared = commonEnd(first, gap)
  const before = shared.slice(shared.trimEnd().lastIndexOf('\n') + 1)
  const after = gap.slice(0, gap.length - before.length)
  const behind = numeric.slice(numeric.lastIndexOf(KEYS[0]) + KEYS[0].length)
  const text = rest.slice(a + KEYS[0].length, x)
  const number = behind.slice(0, behind.indexOf(String(NUMBER)))
  const between: ParametersBody['between'] =
    text === number
      ? [text, text]
      : [text.slice(0, commonStart(text, number)), commonEnd(text, number).replace(/^\w+/, '')]
  const body: Omit<ParametersBody, 'kind'> & Body = { kind: 'parameters', first, before, between, after }
  // Without marks around them, values cannot be told from keys.
  if ([before, ...between, after].some((mark) => mark.trim() === '')) return undefined
  return { body, at }
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

/** A place, or the beginning of the mark that it is in the middle of, such as `<|tool`. */
const markStart = (text: string, at: number) =>
  at - (/[<[][|/\w:]*$/.exec(text.slice(0, at))?.[0].length ?? 0)

/** Length of what both texts begin with. */
function commonStart(a: string, b: string): number {
  let length = 0
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++
  return length
}

/** What both texts end with. */
function commonEnd(a: string, b: string): string {
  let length = 0
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length++
  return a.slice(a.length - length)
}
