/** More bytes of the file are needed than were given. */
export class NeedsMore extends Error {}

/**
 * Numbers, texts and lists from the start of a GGUF file, little-endian. Every count is held against
 * what is left of the file before anything is made of it, so a short file cannot ask for much memory.
 */
export class HeaderBytes {
  at = 0
  private readonly bytes: Buffer
  private readonly fileBytes: number
  private readonly fail: (what: string) => Error

  /**
   * @param bytes the first bytes of the file.
   * @param fileBytes size of the whole file.
   * @param fail makes the error for a file that does not hold together.
   */
  constructor(bytes: Buffer, fileBytes: number, fail: (what: string) => Error) {
    this.bytes = bytes
    this.fileBytes = fileBytes
    this.fail = fail
  }

  private take(count: number): number {
    const from = this.at
    if (from + count > this.fileBytes) throw this.fail('its header is cut off')
    if (from + count > this.bytes.length) throw new NeedsMore()
    this.at += count
    return from
  }

  u32 = (): number => this.bytes.readUInt32LE(this.take(4))

  /** A 64-bit number; a bigint only where a number cannot hold it. */
  u64 = (): number | bigint => narrow(this.bytes.readBigUInt64LE(this.take(8)))

  /** How many things of at least `leastBytes` each follow. */
  count(what: string, leastBytes: number): number {
    const count = Number(this.u64())
    if (count * leastBytes > this.fileBytes - this.at)
      throw this.fail(
        `its header claims ${count} ${what}, more than the file has room for (cut off, or damaged)`,
      )
    return count
  }

  text = (): string => {
    const length = this.count('bytes of text', 1)
    const from = this.take(length)
    return this.bytes.toString('utf8', from, from + length)
  }

  /** A value of a type by its number in the format. */
  value(type: number, depth = 0): unknown {
    if (type === STRING) return this.text()
    if (type === ARRAY) return this.list(depth)
    const scalar = scalars[type]
    if (!scalar) throw this.fail(`its header has a value of the unknown type ${type}`)
    return scalar.read(this.bytes, this.take(scalar.bytes))
  }

  private list(depth: number): unknown[] {
    if (depth > 2) throw this.fail('its header has lists within lists within lists')
    const type = this.u32()
    const count = this.count('list entries', scalars[type]?.bytes ?? SMALLEST_TEXT)
    return Array.from({ length: count }, () => this.value(type, depth + 1))
  }
}

const STRING = 8
const ARRAY = 9
const SMALLEST_TEXT = 8

const narrow = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value)

interface Scalar {
  readonly bytes: number
  readonly read: (from: Buffer, at: number) => unknown
}

const scalars: Readonly<Record<number, Scalar>> = {
  0: { bytes: 1, read: (from, at) => from.readUInt8(at) },
  1: { bytes: 1, read: (from, at) => from.readInt8(at) },
  2: { bytes: 2, read: (from, at) => from.readUInt16LE(at) },
  3: { bytes: 2, read: (from, at) => from.readInt16LE(at) },
  4: { bytes: 4, read: (from, at) => from.readUInt32LE(at) },
  5: { bytes: 4, read: (from, at) => from.readInt32LE(at) },
  6: { bytes: 4, read: (from, at) => from.readFloatLE(at) },
  7: { bytes: 1, read: (from, at) => from.readUInt8(at) !== 0 },
  10: { bytes: 8, read: (from, at) => narrow(from.readBigUInt64LE(at)) },
  11: { bytes: 8, read: (from, at) => narrow(from.readBigInt64LE(at)) },
  12: { bytes: 8, read: (from, at) => from.readDoubleLE(at) },
}
