const ascii = (text: string): string =>
  JSON.stringify(text).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/**
 * `json.dumps` of Python for plain data on one line: ", " and ": " between parts; `ascii` escapes every character outside U+0020-7E, as Python
 * does by default. Numbers must be whole: floats print differently in the two languages.
 */
export function pythonJson(value: unknown, characters: 'ascii' | 'unicode' = 'ascii'): string {
  if (typeof value === 'string') return characters === 'ascii' ? ascii(value) : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((one) => pythonJson(one, characters)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const parts = Object.entries(value).map(
    ([name, one]) => `${pythonJson(name, characters)}: ${pythonJson(one, characters)}`,
  )
  return `{${parts.join(', ')}}`
}
