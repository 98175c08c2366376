import { expected, KvError } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'
import { olderContract } from './contract.ts'
import { CONTRACT, type AnyMethod, type MethodsByRole } from './method.ts'
import { carriedMethod, type MethodRef } from './method-ref.ts'
import { noMethods } from './none.ts'
import { roleNames, roles, type Role } from './roles.ts'

/** Methods by role and name; frozen, passed where specs come as plain JSON. `none` is always there. */
export type Registry = {
  readonly [R in Role as (typeof roles)[R]['plural']]: ReadonlyMap<string, MethodsByRole[R]>
}

/**
 * `createRegistry([snapkv, pyramid, ada, kivi])`. Throws KV_CONFLICT where two different methods of one role have the
 * same name, KV_CONTRACT for a method of another version of the contract.
 */
export function createRegistry(methods: readonly AnyMethod[] = []): Registry {
  const registry = Object.fromEntries(
    roleNames.map((role) => [roles[role].plural, new Map([['none', noMethods[role] as AnyMethod]])]),
  )
  for (const [i, method] of methods.entries()) {
    const role = (method as { role?: unknown } | null | undefined)?.role as Role
    if (!roleNames.includes(role))
      throw expected(roleNames.map((name) => roles[name].a).join(', '), `methods[${i}]`, method)
    if ((method.contract as number) !== CONTRACT) throw olderContract(method.name, method.contract)
    const map = registry[roles[role].plural]!
    const known = map.get(method.name)
    if (known !== undefined && known !== method)
      throw new KvError('KV_CONFLICT', `Two different ${roles[role].plural} are named "${method.name}".`)
    map.set(method.name, method)
  }
  return Object.freeze(registry) as unknown as Registry
}

const builtIn = createRegistry()

/**
 * The method of a role that a value carries, or the registered one. Throws KV_UNKNOWN_METHOD, KV_INVALID_SPEC for one of
 * another role, KV_CONTRACT for one of another version of the contract.
 */
export function findMethod<R extends Role>(
  role: R,
  ref: MethodRef,
  registry: Registry = builtIn,
): MethodsByRole[R] {
  const { slot, plural } = roles[role]
  const carried = carriedMethod(ref)
  if (carried === undefined)
    return (registry[plural].get(ref.method) ?? unknown(ref.method, role, registry)) as MethodsByRole[R]
  if ((carried.contract as number) !== CONTRACT) throw olderContract(carried.name, carried.contract)
  if (carried.role === role) return carried as MethodsByRole[R]
  throw new KvError('KV_INVALID_SPEC', `${slot} holds ${carried.name}, which is ${roles[carried.role].a}.`)
}

function unknown(name: string, role: Role, registry: Registry): never {
  const names = [...registry[roles[role].plural].keys()].sort()
  const near = nearestName(name, names)
  const other = roleNames.find((one) => registry[roles[one].plural].has(name))
  throw new KvError('KV_UNKNOWN_METHOD', `No ${role} is named "${name}".`, {
    hint: other
      ? `"${name}" is ${roles[other].a}: ${roles[other].slot}, not ${roles[role].slot}.`
      : `${near ? `Did you mean ${near}? ` : ''}Known: ${names.join(', ')}. Pass more in \`methods\`, or use @qpkv/methods.`,
  })
}
