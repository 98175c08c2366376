import { dataError, type RowFields } from '@qpkv/bench-kit'

const ADVICE = 'Take a file that the scripts of RULER wrote, or leave this row out.'

/** A text field; `others` are listed when it is absent, so that a file of another benchmark is recognized. */
export function textField(fields: RowFields, name: string, place: string): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  const found = value === undefined ? `only ${Object.keys(fields).join(', ')}` : typeof value
  throw dataError(place, `expected the text field "${name}" of a RULER row but found ${found}`, ADVICE)
}

/** A list of texts, not empty; a single text counts as a list of one. */
export function answersField(fields: RowFields, names: readonly string[], place: string): string[] {
  const value = names.map((name) => fields[name]).find((candidate) => candidate !== undefined)
  const list: unknown = typeof value === 'string' ? [value] : value
  const isList = Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string')
  if (isList) return list
  const found =
    value === undefined ? `only ${Object.keys(fields).join(', ')}` : JSON.stringify(value)?.slice(0, 60)
  throw dataError(
    place,
    `expected "${names.join('" or "')}" with one or more answers but found ${found}`,
    ADVICE,
  )
}

export function numberField(fields: RowFields, name: string): number | undefined {
  const value = fields[name]
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' ? value : undefined
}
