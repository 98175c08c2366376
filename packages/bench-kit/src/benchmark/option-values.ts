import { describeValue, isPlainObject, KvError, nearestName, type Json, type JsonObject } from '@qpkv/spec'
import type { BenchOption, OptionRole } from './bench-option.ts'

/** Options by name. */
export type BenchOptions = Readonly<Record<string, BenchOption>>

/** What `prepare` is given: a value for every option, undefined where one has no default and was left out. */
export type BenchValues<O extends BenchOptions> = {
  readonly [K in keyof O]: O[K] extends BenchOption<infer T> ? T : never
}

/**
 * Checks plain JSON against options and fills defaults in.
 * @throws KvError KV_INVALID_OPTION with the path, what is accepted and what came
 */
export function readOptions<O extends BenchOptions>(
  options: O,
  given: unknown,
  bench: string,
): BenchValues<O> {
  if (!isPlainObject(given))
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected options of ${bench} but received ${describeValue(given)}.`,
    )
  const known = Object.keys(options)
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(options, name))
  if (unknown !== undefined) {
    const near = nearestName(unknown, known)
    throw new KvError('KV_INVALID_OPTION', `${bench} has no option "${unknown}".`, {
      hint: `${near === undefined ? '' : `Did you mean ${near}? `}Known: ${known.join(', ')}.`,
    })
  }
  const values = known.map((name) => {
    const option = options[name] as BenchOption
    const value = given[name] ?? undefined
    return [name, value === undefined ? option.default : option.check(value, `${bench}.${name}`)]
  })
  return Object.fromEntries(values) as BenchValues<O>
}

/** The values of one role as JSON; those that are undefined are left out, so that equal runs have equal hashes. */
export const valuesOf = (options: BenchOptions, values: object, role: OptionRole): JsonObject =>
  given(Object.fromEntries(Object.entries(values).filter(([name]) => options[name]?.role === role)))

/** Leaves undefined fields out. */
export const given = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<
    string,
    Json
  >
