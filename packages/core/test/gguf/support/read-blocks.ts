/**
 * The values of a block, one at a time, straight from the definition of each format; float32 after
 * every operation. The reference for the engine's reader.
 */
export function blockValue(type: string, block: Buffer, i: number): number {
  const read = readers[type]
  if (!read) throw new Error(`no type ${type}`)
  return read(block, i)
}

const f = Math.fround
const nibble = (block: Buffer, from: number, i: number) => {
  const byte = block.readUInt8(from + (i % 16))
  return i < 16 ? byte & 15 : byte >> 4
}
const bit = (block: Buffer, from: number, i: number) => (block.readUInt8(from + (i >> 3)) >> (i & 7)) & 1

function half(block: Buffer, at: number): number {
  const bits = block.readUInt16LE(at)
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -size : size
}

/** Scale and minimum of part `j` out of 12 bytes of six-bit numbers. */
function sixBits(block: Buffer, j: number): [number, number] {
  const byte = (k: number) => block.readUInt8(4 + k)
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63]
  return [(byte(j + 4) & 15) + 16 * (byte(j - 4) >> 6), (byte(j + 4) >> 4) + 16 * (byte(j) >> 6)]
}

function superBlock(
  block: Buffer,
  i: number,
  low: number,
  fifth: (part: number, l: number) => number,
): number {
  const part = i >> 5
  const l = i & 31
  const [scale, minimum] = sixBits(block, part)
  const byte = block.readUInt8(low + (part >> 1) * 32 + l)
  const code = (part % 2 === 0 ? byte & 15 : byte >> 4) + 16 * fifth(part, l)
  return f(f(f(half(block, 0) * scale) * code) - f(half(block, 2) * minimum))
}

const readers: Readonly<Record<string, (block: Buffer, i: number) => number>> = {
  Q4_0: (b, i) => f((nibble(b, 2, i) - 8) * half(b, 0)),
  Q4_1: (b, i) => f(f(nibble(b, 4, i) * half(b, 0)) + half(b, 2)),
  Q5_0: (b, i) => f((nibble(b, 6, i) + 16 * bit(b, 2, i) - 16) * half(b, 0)),
  Q5_1: (b, i) => f(f((nibble(b, 8, i) + 16 * bit(b, 4, i)) * half(b, 0)) + half(b, 2)),
  Q8_0: (b, i) => f(b.readInt8(2 + i) * half(b, 0)),
  Q4_K: (b, i) => superBlock(b, i, 16, () => 0),
  Q5_K: (b, i) => superBlock(b, i, 48, (part, l) => (b.readUInt8(16 + l) >> part) & 1),
  Q6_K: (b, i) => {
    const within = i % 128
    const byte = b.readUInt8((i >> 7) * 64 + (within % 64))
    const low = within < 64 ? byte & 15 : byte >> 4
    const high = (b.readUInt8(128 + (i >> 7) * 32 + (within % 32)) >> (2 * (within >> 5))) & 3
    return f(f(half(b, 208) * b.readInt8(192 + (i >> 4))) * (low + 16 * high - 32))
  },
}
