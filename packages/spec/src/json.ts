/** Plain JSON, as it stands in spec files and result files. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** An object that JSON can hold. */
export type JsonObject = { readonly [key: string]: Json }

/** Whether a value is an object that is neither null nor an array. */
export const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A deep copy that holds nothing but JSON, or undefined where the value has no JSON form (functions, NaN, cycles). */
export function toJson(value: unknown, depth = 0): Json | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : undefined // -0 has no JSON form of its own
  if (depth > 32) return undefined
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => toJson(item, depth + 1))
    return items.some((item) => item === undefined) ? undefined : (items as Json[])
  }
  if (!isPlainObject(value)) return undefined
  const copy: Record<string, Json> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    const json = toJson(item, depth + 1)
    if (json === undefined) return undefined
    Object.defineProperty(copy, key, { value: json, enumerable: true, writable: true, configurable: true })
  }
  return copy
}
