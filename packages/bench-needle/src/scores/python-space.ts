// Python's white space; JavaScript's \s lacks U+001C-1F and U+0085 and has U+FEFF.
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+'
const SPACES = new RegExp(SPACE, 'u')
const OUTER_SPACE = new RegExp(`^${SPACE}|${SPACE}$`, 'gu')

/** `text.split()` of Python: the pieces between runs of white space, none empty. */
export function splitOnSpace(text: string): string[] {
  return text.split(SPACES).filter((piece) => piece !== '')
}

/** `text.strip()` of Python. */
export function stripSpace(text: string): string {
  return text.replaceAll(OUTER_SPACE, '')
}
