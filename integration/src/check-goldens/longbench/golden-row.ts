import { KvError } from '@qpkv/spec'

/** One line of a golden file. Fields differ by family; the readers below check what they take. */
export type GoldenRow = Readonly<Record<string, unknown>>

const wrong = (row: GoldenRow, field: string, expected: string): KvError =>
  new KvError('KV_DATA', `Expected ${expected} for "${field}" of golden row ${String(row['id'])}.`)

export function textOf(row: GoldenRow, field: string): string {
  const value = row[field]
  if (typeof value !== 'string') throw wrong(row, field, 'a text')
  return value
}

export function textsOf(row: GoldenRow, field: string): string[] {
  const value = row[field]
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
    throw wrong(row, field, 'a list of texts')
  return value
}

/** A list whose members `check` accepts. */
export function listOf<T>(row: GoldenRow, field: string, check: (value: unknown) => value is T): T[] {
  const value = row[field]
  if (!Array.isArray(value) || !value.every(check)) throw wrong(row, field, 'a list of another kind')
  return value
}
