/** `str(list_of_texts)` of Python. RULER's 2024 sizing counts the tokens of answers in this form. */
export function reprList(texts: readonly string[]): string {
  return `[${texts.map(reprString).join(', ')}]`
}

const SHORT_ESCAPES = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/** `repr(text)` of Python: single quotes unless only those occur inside; unprintable characters escaped. */
function reprString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const inner = Array.from(text, (character) => {
    if (character === quote) return `\\${quote}`
    return SHORT_ESCAPES.get(character) ?? (isPrintable(character) ? character : escapeCode(character))
  })
  return quote + inner.join('') + quote
}

function isPrintable(character: string): boolean {
  return character === ' ' || !/[\p{C}\p{Z}]/u.test(character)
}

function escapeCode(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}
