import type { PythonRandom } from './python-random.ts'

const VARIANT_MASK = 0xc000n << 48n
const VARIANT = 0x8000n << 48n
const VERSION_MASK = 0xf000n << 64n

/** `str(uuid.UUID(int=random.getrandbits(128), version=4))`: RFC 4122 variant and version bits overwritten. */
export function randomUuid(random: PythonRandom): string {
  const bits = (random.getRandomBits(128) & ~VARIANT_MASK & ~VERSION_MASK) | VARIANT | (4n << 76n)
  const hex = bits.toString(16).padStart(32, '0')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
  return parts.join('-')
}
