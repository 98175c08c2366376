import { KvError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import {
  optionsToJson,
  parseOptions,
  type GivenOptions,
  type OptionShape,
  type OptionValues,
  type Profiles,
} from '../options/option-shape.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { olderContract } from './contract.ts'
import { CONTRACT, type MethodFacts, type MethodsByRole } from './method.ts'
import { attachMethod, type MethodRef } from './method-ref.ts'
import { roles, type Role } from './roles.ts'

/** Calling a method gives a spec's JSON: `snapkv({ window: 32 })` is `{ method: 'snapkv', window: 32 }` and carries the method. */
export type MethodFactory<S extends OptionShape, P extends string> = (given?: GivenOptions<S, P>) => MethodRef

/** What an author writes for a method of any role. */
export interface MethodDefinition<S extends OptionShape, P extends string> {
  readonly name: string
  /** Link to the paper. */
  readonly paper: string
  readonly options: S
  /** Named sets of defaults: what the originals' code does. */
  readonly profiles?: Profiles<S, P>
}

/** Fields that a result of a method must not have beyond those of `T`; TypeScript alone does not see them. */
export type NoExcess<R, T> = { readonly [K in Exclude<keyof R, keyof T>]: never }

const facts = ['name', 'paper', 'options', 'profiles'] as const

/**
 * Joins facts and behavior to one frozen, callable value. Options are checked where they are written, not later.
 * `behavior` names the other fields that a definition of the role may have.
 */
export function makeMethod<R extends Role, S extends OptionShape, P extends string>(
  role: R,
  definition: MethodDefinition<S, P>,
  behavior: { readonly required: readonly string[]; readonly optional: readonly string[] },
  bind: (options: OptionValues<S>) => ReturnType<MethodsByRole[R]['bind']>,
): MethodsByRole[R] & MethodFactory<S, P> {
  const { slot } = roles[role]
  checkDefinition(role, definition, behavior)
  const { name, options: shape } = definition
  const profiles = (definition.profiles ?? {}) as { readonly [name: string]: Partial<OptionValues<S>> }
  const create = (given: GivenOptions<S, P> = {}): MethodRef => {
    const json = optionsToJson(given, slot)
    parseOptions(shape, profiles, json, slot)
    return attachMethod({ method: name, ...json }, method)
  }
  const properties: MethodFacts & { role: R; bind: unknown } = {
    contract: CONTRACT,
    role,
    name,
    paper: definition.paper,
    options: Object.freeze({ ...shape }),
    profiles: Object.freeze(profilesAsJson(profiles)),
    bind: (options: unknown, at: string) => bind(parseOptions(shape, profiles, options, at)),
  }
  for (const [key, value] of Object.entries(properties))
    Object.defineProperty(create, key, { value, enumerable: true })
  const method = Object.freeze(create) as unknown as MethodsByRole[R] & MethodFactory<S, P>
  return method
}

function checkDefinition(
  role: Role,
  definition: MethodDefinition<OptionShape, string>,
  { required, optional }: { readonly required: readonly string[]; readonly optional: readonly string[] },
): void {
  const { define } = roles[role]
  if (role === 'pruner' && 'select' in definition) throw olderContract(definition.name, 1)
  refuseUnknown(definition, [...facts, ...required, ...optional], `${define}()`, 'KV_METHOD', 'field')
  for (const field of required)
    if (typeof (definition as unknown as Record<string, unknown>)[field] !== 'function')
      throw new KvError('KV_METHOD', `${define}() of "${definition.name}" lacks the function ${field}.`)
}

/** Profiles as JSON: undefined values (an option without a default) are dropped. */
const profilesAsJson = (profiles: { readonly [name: string]: object }): { [name: string]: JsonObject } =>
  Object.fromEntries(Object.entries(profiles).map(([name, values]) => [name, optionsToJson(values, name)]))
