/** Tokens of JSON; anything else is where it goes wrong. */
const token =
  /[ \t\r\n]*(?:"(?:[^"\\\n\r\t]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[[\]{},:])/y

/**
 * The line, counted from 1, in which a text stops being JSON. Node's own message names no place.
 * Follows which token may come next inside objects and lists; good for texts that JSON.parse has refused.
 */
export function jsonErrorLine(text: string): number {
  const open: ('{' | '[')[] = []
  let wants: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' = 'value'
  let at = 0
  for (;;) {
    token.lastIndex = at
    const found = token.exec(text)?.[0].trim()
    if (found === undefined || !fits(found, wants, open.at(-1))) break
    at = token.lastIndex
    if (found === '{' || found === '[') {
      open.push(found)
      wants = found === '{' ? 'key-or-end' : 'value-or-end'
    } else if (found === ':') wants = 'value'
    else if (found === ',') wants = open.at(-1) === '{' ? 'key' : 'value'
    else if (found === '}' || found === ']') {
      open.pop()
      wants = 'comma-or-end'
    } else wants = wants.startsWith('key') ? 'colon' : 'comma-or-end'
  }
  const rest = /^[ \t\r\n]*/.exec(text.slice(at))?.[0].length ?? 0
  return text.slice(0, at + rest).split('\n').length
}

function fits(found: string, wants: string, inside: '{' | '[' | undefined): boolean {
  const end = (found === '}' && inside === '{') || (found === ']' && inside === '[')
  if (end) return wants.endsWith('end')
  if (found === ',') return wants === 'comma-or-end' && inside !== undefined
  if (found === ':') return wants === 'colon'
  if (found === '}' || found === ']') return false
  if (wants.startsWith('key')) return found.startsWith('"')
  return wants.startsWith('value')
}
