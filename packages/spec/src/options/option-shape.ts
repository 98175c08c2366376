import { expected } from '../errors.ts'
import { isPlainObject, toJson, type JsonObject } from '../json.ts'
import type { Option } from './option.ts'
import { refuseUnknown } from './refuse-unknown.ts'

/** The options of a method by name. */
export type OptionShape = { readonly [name: string]: Option<unknown> }
/** The resolved values of a shape: every option has one, those without a default maybe undefined. */
export type OptionValues<S extends OptionShape> = {
  readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never
}
/** What a caller may give: any part of the options, and a profile. */
export type GivenOptions<S extends OptionShape, P extends string = string> = Partial<{
  -readonly [K in keyof S]: OptionValues<S>[K] | undefined
}> & { profile?: P | undefined }

/** Named sets of defaults: what the originals did. */
export type Profiles<S extends OptionShape, P extends string = string> = {
  readonly [name in P]: Partial<OptionValues<S>>
}

/**
 * Checks given options and fills in defaults: those of the profile first, then those of the options.
 * Throws KV_INVALID_OPTION with the path, the accepted values and what came.
 */
export function parseOptions<S extends OptionShape>(
  shape: S,
  profiles: Profiles<S>,
  given: unknown,
  path: string,
): OptionValues<S> {
  if (!isPlainObject(given)) throw expected('an object of options', path, given)
  const names = Object.keys(shape)
  const profileNames = Object.keys(profiles)
  refuseUnknown(given, profileNames.length > 0 ? [...names, 'profile'] : names, path)
  let defaults: Partial<OptionValues<S>> = {}
  const profile = given['profile']
  if (profile !== undefined) {
    if (typeof profile !== 'string' || !Object.hasOwn(profiles, profile))
      throw expected(
        profileNames.length > 0 ? `one of ${profileNames.join(', ')}` : 'no profile (it has none)',
        `${path}.profile`,
        profile,
      )
    defaults = profiles[profile]!
  }
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const option = shape[name]!
    const value = given[name]
    values[name] =
      value !== undefined
        ? option.check(value, `${path}.${name}`)
        : Object.hasOwn(defaults, name)
          ? defaults[name]
          : option.default
  }
  return Object.freeze(values) as OptionValues<S>
}

/** The given options as JSON, undefined ones dropped; throws KV_INVALID_OPTION for what JSON cannot hold. */
export function optionsToJson(given: unknown, path: string): JsonObject {
  if (!isPlainObject(given)) throw expected('an object of options', path, given)
  const copy: Record<string, JsonObject[string]> = {}
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name))
      throw expected('an option name of letters and digits', path, name)
    const plain = toJson(value)
    if (plain === undefined) throw expected('a plain JSON value', `${path}.${name}`, value)
    copy[name] = plain
  }
  return copy
}
