import { randomBytes } from 'node:crypto'
import { isPlainObject } from '@qpkv/spec'
import { ID, readJson, type ParametersBody, type ToolFormat } from './tool-format.ts'
import type { Tool, ToolCall } from './tool.ts'

/** What a reply says, and the tools that it asks for. */
export interface ParsedReply {
  /** Before the first call. */
  readonly text: string
  readonly calls: readonly ToolCall[]
}

interface Found {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly end: number
}

/** Reads a reply with control tokens spelled out. Only tools that were offered are called; anything else is text. */
export function parseCalls(reply: string, format: ToolFormat, tools: readonly Tool[]): ParsedReply {
  const calls: ToolCall[] = []
  let first = -1
  let at = 0
  for (;;) {
    const mark = markAt(reply, at, first < 0 ? format.opening : format.again)
    if (!mark) break
    const found = callsAt(reply, mark.end, format, tools)
    if (found.length === 0) {
      at = Math.max(mark.end, at + 1)
      if (format.opening.trim() === '') break
      continue
    }
    if (first < 0) first = mark.begin
    for (const { name, arguments: args } of found)
      calls.push({ id: callId(), name, arguments: JSON.stringify(args) })
    at = found.at(-1)?.end ?? reply.length
  }
  // What the template cannot write again the model would not know that it said.
  return {
    text: first < 0 ? reply : reply.slice(0, first),
    calls: format.several ? calls : calls.slice(0, 1),
  }
}

/** Nine letters and digits, which every template takes. */
export const callId = () => randomBytes(8).toString('base64url').replace(/[-_]/g, '0').slice(0, 9)

/** Where a mark stands, with any text in place of the id in it. A mark of white space is there at once, before an object. */
function markAt(reply: string, from: number, mark: string) {
  let begin = -1
  let end = from
  for (const part of mark.split(ID).map((text) => text.trim())) {
    const at = part === '' ? end : reply.indexOf(part, end)
    if (at < 0) return undefined
    if (begin < 0) begin = at
    end = at + part.length
  }
  if (mark.trim() !== '') return { begin, end }
  begin += /^[\s;,]*/.exec(reply.slice(begin))?.[0].length ?? 0
  return reply[begin] === '{' || reply[begin] === '[' ? { begin, end: begin } : undefined
}

function callsAt(reply: string, from: number, format: ToolFormat, tools: readonly Tool[]): Found[] {
  if (format.kind === 'object') return objectCalls(reply, from, format, tools)
  const begin = from + leadingSpace(reply, from)
  const tool = toolAt(reply, begin, tools)
  if (!tool) return []
  const end = begin + tool.name.length
  const one =
    format.kind === 'named'
      ? namedArguments(reply, end, format.middle)
      : parametersArguments(reply, end, format, tool)
  return one ? [{ name: tool.name, ...one }] : []
}

/** One object or several behind one another, with or without a list around them. */
function objectCalls(
  reply: string,
  from: number,
  format: ToolFormat & { readonly kind: 'object' },
  tools: readonly Tool[],
): Found[] {
  const found: Found[] = []
  let at = from
  for (;;) {
    at += /^[\s,;]*/.exec(reply.slice(at))?.[0].length ?? 0
    const json = reply[at] === '{' || reply[at] === '[' ? readJson(reply, at) : undefined
    const list = json ?? (reply[at] === '[' ? unclosedList(reply, at) : undefined)
    if (!list) return found
    for (const one of Array.isArray(list.value) ? (list.value as unknown[]) : [list.value]) {
      const name = follow(one, format.name)
      const given = follow(one, format.arguments) ?? {}
      const args = typeof given === 'string' ? parsed(given) : given
      if (typeof name !== 'string' || !isPlainObject(args) || !tools.some((tool) => tool.name === name))
        return found
      found.push({ name, arguments: args, end: list.end })
    }
    at = list.end
  }
}

/** A list whose end the model left out. */
const unclosedList = (reply: string, at: number) => readJson(`${reply}]`, at)

/** The tool whose name stands at a place. */
const toolAt = (reply: string, at: number, tools: readonly Tool[]): Tool | undefined =>
  tools
    .filter(({ name }) => reply.startsWith(name, at) && !/[\w-]/.test(reply[at + name.length] ?? ''))
    .sort((a, b) => b.name.length - a.name.length)[0]

const leadingSpace = (text: string, at: number) => /^\s*/.exec(text.slice(at))?.[0].length ?? 0

function follow(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isPlainObject(at) ? at[key] : undefined), value)
}

function namedArguments(reply: string, from: number, middle: string) {
  // Of marks with an id in them the first part is enough: what follows it is the id, and the arguments.
  const sign = (/^[^\w{]*/.exec(middle)?.[0] ?? '').trim()
  const at = from + leadingSpace(reply, from)
  if (!reply.startsWith(sign, at)) return undefined
  const brace = reply.indexOf('{', at)
  const json = brace < 0 ? undefined : readJson(reply, brace)
  if (!json || !isPlainObject(json.value)) return undefined
  return { arguments: json.value, end: json.end }
}

function parametersArguments(
  reply: string,
  from: number,
  { first, before, between, after }: ParametersBody,
  tool: Tool,
) {
  const args: Record<string, unknown> = {}
  const head = first.slice(0, first.length - before.length).trim()
  const nameEnd = from + leadingSpace(reply, from)
  let at = reply.startsWith(head, nameEnd) ? nameEnd + head.length : from
  const behind = (mark: string, begin: number) => {
    const found = reply.indexOf(mark.trim(), begin)
    return found < 0 ? undefined : { found, end: found + mark.trim().length }
  }
  for (;;) {
    const key = at + leadingSpace(reply, at)
    if (!reply.startsWith(before.trim(), key)) break
    const keyEnd = behind(between[0], key + before.trim().length)
    // Where type and value have no mark in common the whole of it is both begin and end.
    const value = keyEnd && (between[0] === between[1] ? keyEnd : behind(between[1], keyEnd.end))
    const close = value && behind(after, value.end)
    if (!close) break
    const name = reply.slice(key + before.trim().length, keyEnd.found).trim()
    args[name] = typed(reply.slice(value.end, close.found).replace(/^\n|\n$/g, ''), tool, name)
    at = close.end
  }
  return { arguments: args, end: at }
}

/** Values are written as they are; which of them are no text says the tool's schema. */
function typed(text: string, { parameters }: Tool, key: string): unknown {
  const properties = parameters?.['properties']
  const schema = isPlainObject(properties) ? properties[key] : undefined
  return !isPlainObject(schema) || schema['type'] === 'string' ? text : parsed(text)
}

/** Templates in Python's ways write True, False and None. */
const PYTHON: Readonly<Record<string, unknown>> = { True: true, False: false, None: null }

function parsed(text: string): unknown {
  if (text in PYTHON) return PYTHON[text]
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
