import { parseTree, type ParseError } from 'jsonc-parser'

/** The line, counted from 1, in which a text stops being JSON; Node's own message names no place. For texts that JSON.parse has refused. */
export function jsonErrorLine(text: string): number {
  const errors: ParseError[] = []
  parseTree(text, errors, { disallowComments: true })
  return text.slice(0, errors[0]?.offset ?? text.length).split('\n').length
}
