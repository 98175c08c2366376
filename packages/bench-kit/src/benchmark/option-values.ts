import { expected, isPlainObject, omitUndefined, refuseUnknown, type JsonObject } from '@qpkv/spec'
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
  if (!isPlainObject(given)) throw expected('an object of options', bench, given)
  const known = Object.keys(options)
  refuseUnknown(given, known, bench)
  const values = known.map((name) => {
    const option = options[name] as BenchOption
    const value = given[name] ?? undefined
    return [name, value === undefined ? option.default : option.check(value, `${bench}.${name}`)]
  })
  return Object.fromEntries(values) as BenchValues<O>
}

/** The values of one role as JSON; those that are undefined are left out, so that equal runs have equal hashes. */
export const valuesOf = (options: BenchOptions, values: object, role: OptionRole): JsonObject =>
  omitUndefined(
    Object.fromEntries(Object.entries(values).filter(([name]) => options[name]?.role === role)),
  ) as JsonObject
