import { checkSpec, SPEC_VERSION, type CompressionSpec } from './compression-spec.ts'
import { expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'

/** Turns a spec of one version into the next; pure. `upgrades[n]` reads version n + 1. */
export type SpecUpgrade = (spec: Record<string, unknown>) => Record<string, unknown>

/** Version 2 adds fields and takes none away: what a version 1 spec says stands as it is. */
const upgrades: readonly SpecUpgrade[] = [(spec) => spec]

/**
 * Reads a spec from a file's text or its parsed JSON. Every version that was ever written loads; a newer one is refused.
 * `$schema`, by which editors find what specSchema() made, is left out. Throws KV_INVALID_SPEC.
 */
export function loadSpec(source: unknown): CompressionSpec {
  const { $schema: _, ...spec } = upgradeSpec(
    typeof source === 'string' ? parseJson(source) : source,
    upgrades,
    SPEC_VERSION,
  )
  return checkSpec(spec)
}

/** Applies upgrades until the spec has the wanted version. */
export function upgradeSpec(
  value: unknown,
  steps: readonly SpecUpgrade[],
  wanted: number,
): Record<string, unknown> {
  if (!isPlainObject(value)) throw expected('an object', 'the spec', value, 'KV_INVALID_SPEC')
  let spec = value
  let version = spec['specVersion']
  if (!Number.isSafeInteger(version) || (version as number) < 1)
    throw expected(
      'a version number',
      'specVersion',
      version,
      'KV_INVALID_SPEC',
      `This version writes ${wanted}.`,
    )
  if ((version as number) > wanted)
    throw new KvError(
      'KV_INVALID_SPEC',
      `The spec has version ${String(version)}; this qpkv reads up to ${wanted}.`,
      {
        hint: 'Install a newer qpkv.',
      },
    )
  while ((version as number) < wanted) {
    const step = steps[(version as number) - 1]
    if (!step) throw new KvError('KV_INVALID_SPEC', `No upgrade from spec version ${String(version)}.`)
    version = (version as number) + 1
    spec = { ...step(spec), specVersion: version }
  }
  return spec
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new KvError('KV_INVALID_SPEC', `The spec is not valid JSON: ${(cause as Error).message}`, { cause })
  }
}
