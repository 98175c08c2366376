import { expected } from '@qpkv/spec'
import { roundedFormats } from './weight-format.ts'

/**
 * How weight matrices are kept in memory.
 *
 * - `auto` (default): as the file has them, a GGUF file's own codes included; nothing is lost.
 * - `stored`: exact values, codes of a GGUF file read into float32.
 * - `int8`, `int4`: rounded while they are loaded, to codes with one f16 scale per 32 input features, chosen for the least
 *   squared error; this changes results. Under `int4` the embedding and the head take 8 bits: an error there meets every
 *   token alone. Codes of a file that take no more room stay as they are; so do vectors and the routers of experts.
 */
export type WeightsMode = 'auto' | 'stored' | RoundedMode

/** In which weights are other numbers than the file's. */
export type RoundedMode = keyof typeof roundedFormats

const rounded = Object.keys(roundedFormats) as RoundedMode[]
const modes: readonly WeightsMode[] = ['auto', 'stored', ...rounded]

export const isRounded = (mode: WeightsMode): mode is RoundedMode => Object.hasOwn(roundedFormats, mode)

/** @throws KV_INVALID_OPTION */
export function checkWeightsMode(mode: unknown): void {
  if (!modes.includes(mode as WeightsMode)) throw expected(eitherOf(modes), 'weights', mode)
}

/** Modes that take less memory, for messages; undefined where there is none. */
export function smallerModes(mode: WeightsMode): string | undefined {
  const bits = (name: RoundedMode) => roundedFormats[name].matrices.bits
  const smaller = isRounded(mode) ? rounded.filter((name) => bits(name) < bits(mode)) : rounded
  return smaller.length > 0 ? eitherOf(smaller) : undefined
}

/** `'a', 'b' or 'c'` */
function eitherOf(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`)
  return [quoted.slice(0, -1).join(', '), ...quoted.slice(-1)].filter(Boolean).join(' or ')
}
