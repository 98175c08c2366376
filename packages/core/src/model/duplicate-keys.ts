/**
 * The first key that occurs twice in the outermost object of a JSON text, or undefined. JSON.parse
 * silently keeps the last one, which would hide one of two tensors of the same name. The text must already
 * have been parsed, so that it is known to be valid.
 */
export function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>()
  let depth = 0
  let expectKey = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '{' || c === '[') {
      depth++
      expectKey = c === '{'
    } else if (c === '}' || c === ']') depth--
    else if (c === ',') expectKey = true
    else if (c === '"') {
      const start = i
      i++
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
      if (depth === 1 && expectKey) {
        const key = JSON.parse(text.slice(start, i + 1)) as string
        if (seen.has(key)) return key
        seen.add(key)
      }
      expectKey = false
    }
  }
  return undefined
}
