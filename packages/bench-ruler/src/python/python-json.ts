export type PythonJson =
  string | number | boolean | null | readonly PythonJson[] | { readonly [key: string]: PythonJson }

const NOT_ASCII = /[\u007f-\uffff]/g

/**
 * `json.dumps(value)` of Python with its defaults: `", "` and `": "` between items, every character outside U+0020-7E
 * escaped as lower-case `\uXXXX`. Numbers must be integers: floats print differently in the two languages.
 */
export function dumpPythonJson(value: PythonJson): string {
  if (typeof value === 'string') return dumpString(value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(dumpPythonJson).join(', ')}]`
  const fields = Object.entries(value).map(([key, item]) => `${dumpString(key)}: ${dumpPythonJson(item)}`)
  return `{${fields.join(', ')}}`
}

function isList(value: PythonJson): value is readonly PythonJson[] {
  return Array.isArray(value)
}

function dumpString(text: string): string {
  return JSON.stringify(text).replaceAll(
    NOT_ASCII,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
