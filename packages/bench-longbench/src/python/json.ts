const number = (value: number, kind: 'int' | 'float'): string => {
  if (Number.isNaN(value)) return 'NaN'
  return kind === 'float' && Number.isInteger(value) ? value.toFixed(1) : String(value)
}

const ascii = (text: string): string =>
  JSON.stringify(text).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** `json.dumps` of Python for plain data on one line: ", " and ": " between parts, whole numbers as integers. */
export function pythonJson(value: unknown, characters: 'ascii' | 'unicode'): string {
  if (typeof value === 'string') return characters === 'ascii' ? ascii(value) : JSON.stringify(value)
  if (typeof value === 'number') return number(value, 'int')
  if (Array.isArray(value)) return `[${value.map((one) => pythonJson(one, characters)).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(
      ([name, one]) => `${pythonJson(name, characters)}: ${pythonJson(one, characters)}`,
    )
    return `{${parts.join(', ')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** `json.dump(scores, indent=4)` of Python for scores, which are floats there: 40.0, and a bare NaN. */
export function pythonScoreJson(
  scores: Readonly<Record<string, number | Readonly<object>>>,
  indent = 4,
): string {
  const lines = Object.entries(scores).map(([name, score]) => {
    const text =
      typeof score === 'number'
        ? number(score, 'float')
        : pythonScoreJson(score as Record<string, number>, indent + 4)
    return `${' '.repeat(indent)}${JSON.stringify(name)}: ${text}`
  })
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${' '.repeat(indent - 4)}}`
}
