/*
 * Numbers that depend on nothing but a seed and a counter, as engines make them: a 64-bit mixer (Steele, Lea and Flood,
 * "Fast splittable pseudorandom number generators").
 */

const word = (x: bigint) => BigInt.asUintN(64, x)

function mixedBits(seed: number, counter: bigint): bigint {
  let x = word(BigInt(seed) * 0xd1342543de82ef95n + (counter + 1n) * 0x9e3779b97f4a7c15n)
  x = word((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n)
  x = word((x ^ (x >> 27n)) * 0x94d049bb133111ebn)
  return x ^ (x >> 31n)
}

/** [0, 1), 24 bits. */
export const uniformNumber = (seed: number, head: number, token: number): number =>
  Number(mixedBits(seed, (BigInt(head) << 32n) | BigInt(token)) >> 40n) / 16777216

/** Standard normal (Box and Muller). */
export function normalNumber(seed: number, counter: number): number {
  const a = Number((mixedBits(seed, 2n * BigInt(counter)) >> 11n) + 1n) / 9007199254740992
  const b = Number(mixedBits(seed, 2n * BigInt(counter) + 1n) >> 11n) / 9007199254740992
  return Math.sqrt(-2 * Math.log(a)) * Math.cos(6.283185307179586 * b)
}
