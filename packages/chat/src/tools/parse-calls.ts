import { randomBytes } from 'node:crypto'
import { isPlainObject } from '@qpkv/spec'
import { readJson, type ToolFormat } from './tool-format.ts'
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
  const opening = format.opening.trim()
  const calls: ToolCall[] = []
  let first = -1
  let at = 0
  for (;;) {
    const begin = opening === '' ? bareStart(reply, at, format) : reply.indexOf(opening, at)
    if (begin < 0) break
    const found = callsAt(reply, begin + opening.length, format, tools)
    if (found.length === 0) {
      at = begin + Math.max(opening.length, 1)
      continue
    }
    if (first < 0) first = begin
    for (const { name, arguments: args } of found)
      calls.push({ id: callId(), name, arguments: JSON.stringify(args) })
    at = found.at(-1)?.end ?? reply.length
  }
  return { text: first < 0 ? reply : reply.slice(0, first), calls }
}

/** Nine letters and digits, which every template takes. */
const callId = () => randomBytes(8).toString('base64url').replace(/[-_]/g, '0').slice(0, 9)

/** Without an opening a call is the whole reply. */
function bareStart(reply: string, at: number, format: ToolFormat): number {
  if (format.kind !== 'object') return -1
  const begin = at + (/^[\s;,]*/.exec(reply.slice(at))?.[0].length ?? 0)
  return reply[begin] === '{' || reply[begin] === '[' ? begin : -1
}

function callsAt(reply: string, from: number, format: ToolFormat, tools: readonly Tool[]): Found[] {
  if (format.kind === 'named') {
    const one = namedCall(reply, from, format.middle)
    return one && known(one.name, tools) ? [one] : []
  }
  if (format.kind === 'parameters') {
    const one = parametersCall(reply, from, format, tools)
    return one ? [one] : []
  }
  const found: Found[] = []
  let at = from
  for (;;) {
    at += /^[\s,;]*/.exec(reply.slice(at))?.[0].length ?? 0
    const json = reply[at] === '{' || reply[at] === '[' ? readJson(reply, at) : unclosedList(reply, at)
    if (!json) return found
    for (const one of Array.isArray(json.value) ? (json.value as unknown[]) : [json.value]) {
      const name = follow(one, format.name)
      const args = follow(one, format.arguments) ?? {}
      if (typeof name !== 'string' || !isPlainObject(args) || !known(name, tools)) return found
      found.push({ name, arguments: args, end: json.end })
    }
    at = json.end
  }
}

/** A list whose end the model left out. */
function unclosedList(reply: string, at: number) {
  return reply[at] === '[' ? readJson(`${reply}]`, at) : undefined
}

const known = (name: string, tools: readonly Tool[]) => tools.some((tool) => tool.name === name)

function follow(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isPlainObject(at) ? at[key] : undefined), value)
}

function namedCall(reply: string, from: number, middle: string): Found | undefined {
  const sign = middle.trim()
  const until = sign === '' ? reply.indexOf('{', from) : reply.indexOf(sign, from)
  const brace = until < 0 ? -1 : reply.indexOf('{', until)
  const json = brace < 0 ? undefined : readJson(reply, brace)
  if (!json || !isPlainObject(json.value)) return undefined
  return { name: reply.slice(from, until).trim(), arguments: json.value, end: json.end }
}

function parametersCall(
  reply: string,
  from: number,
  format: ToolFormat & { readonly kind: 'parameters' },
  tools: readonly Tool[],
): Found | undefined {
  const { before, between, after } = format
  const nameEnd = format.first.slice(0, format.first.length - before.length).trim()
  const head = reply.indexOf(nameEnd, from)
  if (head < 0) return undefined
  const name = reply.slice(from, head).trim()
  const tool = tools.find((one) => one.name === name)
  if (!tool) return undefined
  const args: Record<string, unknown> = {}
  let at = head + nameEnd.length
  for (;;) {
    const skipped = /^\s*/.exec(reply.slice(at))?.[0].length ?? 0
    if (!reply.startsWith(before.trim(), at + skipped)) break
    const key = at + skipped + before.trim().length
    const mid = reply.indexOf(between.trim(), key)
    const close = mid < 0 ? -1 : reply.indexOf(after.trim(), mid + between.trim().length)
    if (close < 0) break
    const keyText = reply.slice(key, mid).trim()
    args[keyText] = typed(
      reply.slice(mid + between.trim().length, close).replace(/^\n|\n$/g, ''),
      tool,
      keyText,
    )
    at = close + after.trim().length
  }
  return { name, arguments: args, end: at }
}

/** Values are written as they are; which of them are no text says the tool's schema. */
function typed(text: string, { parameters }: Tool, key: string): unknown {
  const properties = parameters?.['properties']
  const schema = isPlainObject(properties) ? properties[key] : undefined
  if (!isPlainObject(schema) || schema['type'] === 'string') return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
