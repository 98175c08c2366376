/**
 * What CPython calls white space in a `str` (both `str.split()` and `\s` of `re`): it has the four information
 * separators U+001C..U+001F and U+0085, and lacks U+FEFF, U+200B and U+180E. JavaScript's `\s` differs in all of these.
 */
export const pythonSpace =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

const spaceRun = new RegExp(`[${pythonSpace}]+`, 'u')
const outerSpace = new RegExp(`^[${pythonSpace}]+|[${pythonSpace}]+$`, 'gu')

/** `text.split()` of Python: the runs between white space; an empty or blank text has none. */
export function pythonSplit(text: string): string[] {
  return text.split(spaceRun).filter((word) => word !== '')
}

/** `text.strip()` of Python. */
export function pythonStrip(text: string): string {
  return text.replace(outerSpace, '')
}
