import { isPlainObject, KvError, nearestName } from '@qpkv/spec'

/** Keywords that the grammar obeys. */
const OBEYED = [
  'type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames',
  'minProperties', 'maxProperties', 'items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength', 'pattern',
  'format', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'anyOf', 'oneOf', 'allOf', '$ref', '$defs',
  'definitions',
] // prettier-ignore
/** Keywords that say nothing of what is valid. */
const NOTES = ['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'strict', 'nullable'] // prettier-ignore
const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array']
const COUNTS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']

const MAX_BYTES = 64 * 1024
/** Counts become states of the grammar. */
const MAX_COUNT = 2000
const MAX_DEPTH = 32

const fail = (where: string, what: string) =>
  new KvError('KV_INVALID_OPTION', `The JSON schema cannot be used: ${where} ${what}.`)

/**
 * The schema as the grammar obeys it: a small range of whole numbers becomes a list, since the library reads bounds wrongly;
 * an object that names its properties has no others, unless it says so.
 * @throws KV_INVALID_OPTION for a schema that the grammar would not obey, or that asks too much.
 */
export function normalizeSchema(given: unknown): Record<string, unknown> {
  if (!isPlainObject(given)) throw fail('it', 'is not an object')
  const text = JSON.stringify(given)
  if (Buffer.byteLength(text) > MAX_BYTES) throw fail('it', `has more than ${MAX_BYTES} bytes`)
  const schema = JSON.parse(text) as Record<string, unknown>
  check(schema, schema, '#', 0)
  return schema
}

const BOUNDS = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'] as const

/** Bounds that every exact whole number meets say nothing; other ranges are listed, if they are small. */
function normalizeBounds(schema: Record<string, unknown>, where: string): void {
  const bounds = BOUNDS.filter((name) => schema[name] !== undefined)
  if (bounds.length === 0) return
  for (const name of bounds)
    if (typeof schema[name] !== 'number') throw fail(`${where}/${name}`, 'is no number')
  const value = (name: (typeof BOUNDS)[number], otherwise: number) =>
    (schema[name] as number | undefined) ?? otherwise
  const least = Math.max(
    Math.ceil(value('minimum', -Infinity)),
    Math.floor(value('exclusiveMinimum', -Infinity)) + 1,
  )
  const most = Math.min(
    Math.floor(value('maximum', Infinity)),
    Math.ceil(value('exclusiveMaximum', Infinity)) - 1,
  )
  for (const name of bounds) delete schema[name]
  if (least <= Number.MIN_SAFE_INTEGER && most >= Number.MAX_SAFE_INTEGER) return
  if (schema['type'] !== 'integer' || !(most - least < MAX_COUNT) || most < least)
    throw fail(`${where}/${bounds[0]}`, `is obeyed for whole numbers in a range of at most ${MAX_COUNT} only`)
  delete schema['type']
  schema['enum'] = Array.from({ length: most - least + 1 }, (_, i) => least + i)
}

function check(schema: unknown, root: Readonly<Record<string, unknown>>, where: string, depth: number): void {
  if (depth > MAX_DEPTH) throw fail(where, `is deeper than ${MAX_DEPTH}`)
  if (typeof schema === 'boolean') return
  if (!isPlainObject(schema)) throw fail(where, 'is neither an object nor true or false')
  for (const name of Object.keys(schema))
    if (!OBEYED.includes(name) && !NOTES.includes(name)) {
      const near = nearestName(name, OBEYED)
      throw fail(
        `${where}/${name}`,
        `is a keyword that is not obeyed${near ? `; did you mean ${near}?` : ''}`,
      )
    }
  const { type, $ref: reference } = schema
  for (const one of Array.isArray(type) ? (type as unknown[]) : type === undefined ? [] : [type])
    if (!TYPES.includes(one as string)) throw fail(`${where}/type`, `is none of ${TYPES.join(', ')}`)
  for (const name of COUNTS) {
    const count = schema[name]
    if (
      count !== undefined &&
      !(Number.isSafeInteger(count) && (count as number) >= 0 && (count as number) <= MAX_COUNT)
    )
      throw fail(`${where}/${name}`, `is no whole number from 0 to ${MAX_COUNT}`)
  }
  if (reference !== undefined && !resolves(reference, root))
    throw fail(`${where}/$ref`, `names nothing in the schema: ${JSON.stringify(reference)}`)
  normalizeBounds(schema, where)
  if (isPlainObject(schema['properties']) && schema['patternProperties'] === undefined)
    schema['additionalProperties'] ??= false
  if (schema['pattern'] !== undefined) checkPattern(schema['pattern'], `${where}/pattern`)
  for (const name of ['properties', 'patternProperties', '$defs', 'definitions']) {
    const map = schema[name]
    if (map === undefined) continue
    if (!isPlainObject(map)) throw fail(`${where}/${name}`, 'is not an object')
    for (const [key, value] of Object.entries(map)) check(value, root, `${where}/${name}/${key}`, depth + 1)
  }
  for (const name of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    const list = schema[name]
    if (list === undefined) continue
    if (!Array.isArray(list) || list.length === 0) throw fail(`${where}/${name}`, 'is not a list')
    if (name === 'allOf' && list.length > 1) throw fail(`${where}/allOf`, 'has more than one schema')
    for (const [i, value] of (list as unknown[]).entries())
      check(value, root, `${where}/${name}/${i}`, depth + 1)
  }
  for (const name of ['items', 'additionalProperties', 'propertyNames'])
    if (schema[name] !== undefined) check(schema[name], root, `${where}/${name}`, depth + 1)
  if (schema['enum'] !== undefined && !(Array.isArray(schema['enum']) && schema['enum'].length > 0))
    throw fail(`${where}/enum`, 'is not a list of values')
}

function checkPattern(pattern: unknown, where: string): void {
  if (typeof pattern !== 'string' || pattern.length > 500)
    throw fail(where, 'is no text of at most 500 letters')
  const most = Math.max(
    0,
    ...[...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].map(([, a, b]) => Math.max(Number(a), Number(b ?? 0))),
  )
  if (most > 100) throw fail(where, `repeats something more than 100 times`)
  try {
    RegExp(pattern, 'u')
  } catch {
    throw fail(where, 'is no regular expression')
  }
}

function resolves(reference: unknown, root: Readonly<Record<string, unknown>>): boolean {
  if (reference === '#') return true
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return false
  let at: unknown = root
  for (const step of reference.slice(2).split('/')) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isPlainObject(at) || !Object.hasOwn(at, name)) return false
    at = at[name]
  }
  return isPlainObject(at) || typeof at === 'boolean'
}
