import { expected } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { attachMethod, carriedMethod, type MethodRef } from '../method/method-ref.ts'
import { roleNames, roles, type Slot } from '../method/roles.ts'
import { optionsToJson } from '../options/option-shape.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import { checkBudget, type Budget } from './budget.ts'
import { checkTiers, type Tier } from './tiers.ts'
import { checkLayers, type LayerOverride } from './layer-override.ts'

/** Version that specs are written in; loadSpec() reads older ones. */
export const SPEC_VERSION = 2

/** One experiment as plain JSON. Saved in every result file; loading it re-runs the experiment. */
export interface CompressionSpec {
  readonly specVersion: 2
  /** Stored once per KV head (the default), or per query head as the original codes store it. */
  readonly heads?: 'kv' | 'query'
  readonly budget?: Budget
  /** What a token is worth. */
  readonly prune: MethodRef
  /** How the budget is shared out over the layers; left out: as the pruner does. */
  readonly allocate?: MethodRef
  /** Whether the heads of a layer compete for slots; left out: as the pruner does. */
  readonly share?: MethodRef
  readonly quantize: MethodRef
  /** Widths by score, the widest first; the quantizer gives each of them. Left out: one width. */
  readonly tiers?: readonly Tier[]
  readonly layers?: readonly LayerOverride[]
}

/** The same as written in code: version and methods may be left out; pruner and quantizer default to `none`. */
export type SpecInput = {
  readonly [K in keyof CompressionSpec]?: CompressionSpec[K] | undefined
}

const fields = ['specVersion', 'heads', 'budget', 'prune', 'allocate', 'share', 'quantize', 'tiers', 'layers']

/**
 * Checks a spec's structure and returns it as a frozen value with nothing filled in but version and
 * `none`. Options of methods are checked later, by the methods. Throws KV_INVALID_SPEC, or
 * KV_CONFLICT for overrides that contradict each other.
 */
export function checkSpec(input: unknown): CompressionSpec {
  if (!isPlainObject(input)) throw expected('an object', 'the spec', input, 'KV_INVALID_SPEC')
  refuseUnknown(input, fields, 'spec', 'KV_INVALID_SPEC', 'field')
  const { specVersion = SPEC_VERSION, heads, budget, prune, allocate, share, quantize, tiers, layers } = input
  if (specVersion !== SPEC_VERSION)
    throw expected(
      `${SPEC_VERSION}`,
      'specVersion',
      specVersion,
      'KV_INVALID_SPEC',
      'Older and newer files are read by loadSpec().',
    )
  if (heads !== undefined && heads !== 'kv' && heads !== 'query')
    throw expected("'kv' or 'query'", 'heads', heads, 'KV_INVALID_SPEC')
  const overrides = checkLayers(layers ?? [])
  return Object.freeze({
    specVersion: SPEC_VERSION,
    ...(heads !== undefined && { heads }),
    ...(budget !== undefined && { budget: Object.freeze(checkBudget(budget)) }),
    prune: checkRef(prune ?? { method: 'none' }, 'prune'),
    ...(allocate !== undefined && { allocate: checkRef(allocate, 'allocate') }),
    ...(share !== undefined && { share: checkRef(share, 'share') }),
    quantize: checkRef(quantize ?? { method: 'none' }, 'quantize'),
    ...(tiers !== undefined && { tiers: checkTiers(tiers) }),
    ...(overrides.length > 0 && { layers: overrides }),
  }) as CompressionSpec
}

/** Method names: no spaces, and none of the signs that the text form gives a meaning; `~` is quoted there. */
const methodName = /^[^\s:+#'=,]+$/

const examples: Record<Slot, string> = {
  prune: 'snapkv',
  allocate: 'pyramid',
  share: 'ada',
  quantize: 'kivi',
}

function checkRef(value: unknown, path: Slot): MethodRef {
  const name = examples[path]
  const example = `{ "method": "${name}" }`
  if (typeof value === 'function')
    throw expected(
      `a method's value, such as ${example}`,
      path,
      value,
      'KV_INVALID_SPEC',
      `Call the method: ${name}(), not ${name}.`,
    )
  if (!isPlainObject(value))
    throw expected(
      `an object such as ${example}`,
      path,
      value,
      'KV_INVALID_SPEC',
      typeof value === 'string' ? `Texts are for whole specs: '${value}+none'.` : undefined,
    )
  const { method, ...options } = value
  if (typeof method !== 'string' || !methodName.test(method) || /@\d/.test(method))
    throw expected('the name of a method', `${path}.method`, method, 'KV_INVALID_SPEC')
  const ref = { method, ...optionsToJson(options, path) }
  const carried = carriedMethod(value)
  return carried ? attachMethod(ref, carried) : Object.freeze(ref)
}

/** The methods of a spec that are given, by slot. */
export const methodsOf = (spec: CompressionSpec): readonly (readonly [Slot, MethodRef])[] =>
  roleNames.flatMap((role) => {
    const ref = spec[roles[role].slot]
    return ref === undefined ? [] : [[roles[role].slot, ref] as const]
  })
