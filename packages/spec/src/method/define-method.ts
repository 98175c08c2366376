import type { JsonObject } from '../json.ts'
import type { AnyMethod, MethodFacts } from './method.ts'
import { attachMethod, type MethodRef } from './method-ref.ts'
import {
  optionsToJson,
  parseOptions,
  type GivenOptions,
  type OptionShape,
  type OptionValues,
} from '../options/option-shape.ts'

/** Calling a method gives a spec's JSON: `snapkv({ window: 32 })` is `{ method: 'snapkv', window: 32 }` and carries the method. */
export type MethodFactory<S extends OptionShape, P extends string> = (given?: GivenOptions<S, P>) => MethodRef

/** Joins facts and behavior to one frozen, callable value. Options are checked where they are written, not later. */
export function makeMethod<S extends OptionShape, P extends string, M extends AnyMethod>(
  facts: Omit<MethodFacts, 'contract' | 'options'> & { readonly options: S },
  role: M['role'],
  bind: (options: OptionValues<S>) => ReturnType<M['bind']>,
): M & MethodFactory<S, P> {
  const path = role === 'pruner' ? 'prune' : 'quantize'
  const profiles = facts.profiles as { readonly [name: string]: Partial<OptionValues<S>> }
  const create = (given: GivenOptions<S, P> = {}): MethodRef => {
    const json = optionsToJson(given, path)
    parseOptions(facts.options, profiles, json, path)
    return attachMethod({ method: facts.name, ...json }, method)
  }
  const properties = {
    contract: 1,
    role,
    name: facts.name,
    paper: facts.paper,
    options: Object.freeze({ ...facts.options }),
    profiles: Object.freeze({ ...facts.profiles }),
    bind: (options: unknown, at: string) => bind(parseOptions(facts.options, profiles, options, at)),
  }
  for (const [key, value] of Object.entries(properties))
    Object.defineProperty(create, key, { value, enumerable: true })
  const method = Object.freeze(create) as unknown as M & MethodFactory<S, P>
  return method
}

/** Profiles as JSON: undefined values (an option without a default) are dropped. */
export const profilesAsJson = (
  profiles: { readonly [name: string]: object } = {},
): { [name: string]: JsonObject } =>
  Object.fromEntries(Object.entries(profiles).map(([name, values]) => [name, optionsToJson(values, name)]))
