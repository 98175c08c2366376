import { pythonSpace } from '@qpkv/bench-kit'

const SPACES = new RegExp(`[${pythonSpace}]+`, 'gu')
const TRAILING = new RegExp(`[${pythonSpace}]+$`, 'u')

/** `text.rstrip()` of Python. */
export function stripEnd(text: string): string {
  return text.replace(TRAILING, '')
}

/** `re.sub(r"\s+", " ", text).split(" ")` of Python: leading or trailing space leaves an empty piece. */
export function splitCollapsed(text: string): string[] {
  return text.replaceAll(SPACES, ' ').split(' ')
}

/** Python's order of strings: by code point, where JavaScript's `<` compares UTF-16 units. */
function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i += 1) {
    const a = left.charCodeAt(i)
    const b = right.charCodeAt(i)
    if (a !== b) return surrogateLast(a) - surrogateLast(b)
  }
  return left.length - right.length
}

/** Moves surrogates above U+E000-FFFF, so that units order as the code points they encode. */
function surrogateLast(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** `sorted(set(texts))` of Python. */
export function sortedUnique(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort(compareCodePoints)
}

/**
 * `template.format(**slots)` of Python for plain `{name}` slots, in one pass: text that a slot brings in is never
 * scanned again. `{{` and `}}` are braces.
 */
export function formatTemplate(template: string, slots: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{\{|\}\}|\{(\w+)\}/g, (match, name: string | undefined) => {
    if (name === undefined) return match.slice(1)
    return slots[name] ?? match
  })
}

/** Python's length of a prefix: code points before the UTF-16 index `end`. */
export function codePointsBefore(text: string, end: number): number {
  let count = 0
  for (let i = 0; i < end; i += 1) {
    const unit = text.charCodeAt(i)
    if (unit < 0xdc00 || unit > 0xdfff) count += 1
  }
  return count
}
