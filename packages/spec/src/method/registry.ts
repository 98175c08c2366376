import { expected, KvError } from '../errors.ts'
import type { AnyMethod, AnyPruner, AnyQuantizer } from './method.ts'
import { carriedMethod, type MethodRef } from './method-ref.ts'
import { nearestName } from '../nearest-name.ts'
import { nonePruner, noneQuantizer } from './none.ts'

/** Methods by role and name; frozen, passed where specs come as plain JSON. `none` is always there. */
export interface Registry {
  readonly pruners: ReadonlyMap<string, AnyPruner>
  readonly quantizers: ReadonlyMap<string, AnyQuantizer>
}

/** `createRegistry([snapkv, kivi])`. Throws KV_CONFLICT where two different methods of one role have the same name. */
export function createRegistry(methods: readonly AnyMethod[] = []): Registry {
  const pruners = new Map<string, AnyPruner>()
  const quantizers = new Map<string, AnyQuantizer>()
  for (const [i, method] of [nonePruner, noneQuantizer, ...methods].entries()) {
    const role = (method as { role?: unknown } | null | undefined)?.role
    if (role !== 'pruner' && role !== 'quantizer')
      throw expected('a pruner or a quantizer', `methods[${i - 2}]`, method, 'KV_INVALID_OPTION')
    if ((method.contract as number) !== 1)
      throw new KvError(
        'KV_UNSUPPORTED',
        `${method.name} follows contract ${method.contract}; this version knows contract 1.`,
      )
    const map: Map<string, AnyMethod> = role === 'pruner' ? pruners : quantizers
    const known = map.get(method.name)
    if (known !== undefined && known !== method)
      throw new KvError('KV_CONFLICT', `Two different ${role}s are named "${method.name}".`)
    map.set(method.name, method)
  }
  return Object.freeze({ pruners, quantizers })
}

const builtIn = createRegistry()

/** The pruner that a value carries, or the registered one. Throws KV_UNKNOWN_METHOD, and KV_INVALID_SPEC for a quantizer. */
export function findPruner(ref: MethodRef, registry: Registry = builtIn): AnyPruner {
  const carried = carriedMethod(ref)
  if (carried !== undefined) {
    if (carried.role === 'pruner') return carried
    throw new KvError('KV_INVALID_SPEC', `prune holds ${carried.name}, which is a quantizer.`)
  }
  return (
    registry.pruners.get(ref.method) ?? unknown(ref.method, 'pruner', registry.pruners, registry.quantizers)
  )
}

/** The quantizer that a value carries, or the registered one. Throws KV_UNKNOWN_METHOD, and KV_INVALID_SPEC for a pruner. */
export function findQuantizer(ref: MethodRef, registry: Registry = builtIn): AnyQuantizer {
  const carried = carriedMethod(ref)
  if (carried !== undefined) {
    if (carried.role === 'quantizer') return carried
    throw new KvError('KV_INVALID_SPEC', `quantize holds ${carried.name}, which is a pruner.`)
  }
  return (
    registry.quantizers.get(ref.method) ??
    unknown(ref.method, 'quantizer', registry.quantizers, registry.pruners)
  )
}

function unknown(
  name: string,
  role: 'pruner' | 'quantizer',
  known: ReadonlyMap<string, unknown>,
  other: ReadonlyMap<string, unknown>,
): never {
  const names = [...known.keys()].sort()
  const near = nearestName(name, names)
  throw new KvError('KV_UNKNOWN_METHOD', `No ${role} is named "${name}".`, {
    hint: other.has(name)
      ? `"${name}" is a ${role === 'pruner' ? 'quantizer' : 'pruner'}.`
      : `${near ? `Did you mean ${near}? ` : ''}Known: ${names.join(', ')}. Pass more in \`methods\`, or use @qpkv/methods.`,
  })
}
