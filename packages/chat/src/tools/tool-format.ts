import type { Message } from '@qpkv/core'

/**
 * How a model writes its calls, as its own template tells; see learn-format.ts.
 *
 *   object     {"name": NAME, "arguments": {…}}   several, maybe in a list
 *   named      NAME middle {…}
 *   parameters NAME first, then for each: KEY between VALUE after
 */
export type ToolFormat = CallFrame & (ObjectBody | NamedBody | ParametersBody)

interface CallFrame {
  /** Before the first call of a reply, as the template writes it, `ID` where it puts the call's id. */
  readonly opening: string
  /** What stands before each further call, at its end. */
  readonly again: string
  /** Whether the template takes more than one call in a turn. */
  readonly several: boolean
  /** What the template wants to be given. */
  readonly wants: CallInput
}

/** How calls are handed to a template. */
export interface CallInput {
  /** Arguments as JSON text instead of an object. */
  readonly text: boolean
  /** The content of a message that only calls. */
  readonly content: '' | null
}

interface ObjectBody {
  readonly kind: 'object'
  readonly name: readonly string[]
  readonly arguments: readonly string[]
}

interface NamedBody {
  readonly kind: 'named'
  /** Between the name and the arguments, `ID` where the call's id stands. */
  readonly middle: string
}

export interface ParametersBody {
  readonly kind: 'parameters'
  /** Between the name and the first key. */
  readonly first: string
  /** Before each further key. */
  readonly before: string
  /** Begin and end of what stands between a key and its value; what is between them depends on the value's type. */
  readonly between: readonly [string, string]
  readonly after: string
}

/** Stands for a call's id in texts of a format; nine letters and digits, which every template takes. */
export const ID = 'callqpkv0'

/** Renders messages; `open` asks for the beginning of a reply behind them. */
export type Render = (messages: readonly Message[], open: boolean) => Promise<string>

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
