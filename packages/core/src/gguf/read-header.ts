import { open, type FileHandle } from 'node:fs/promises'
import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { damagedFileAdvice } from '../model/damaged-file.ts'
import { blockTypes, typeName, type BlockType } from './block-types.ts'
import { HeaderBytes, NeedsMore } from './header-bytes.ts'

/** One tensor as a GGUF file describes it. */
export interface GgufTensor {
  readonly type: BlockType
  /** Outermost first, [rows, columns], as everywhere in qpkv; the file counts the other way. */
  readonly shape: readonly number[]
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly bytes: number
}

/** What stands before the weights in a GGUF file. */
export interface GgufHeader {
  readonly path: string
  /** Values by key; 64-bit numbers as numbers where they fit. */
  readonly metadata: ReadonlyMap<string, unknown>
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** Most headers are shorter; where one is not, the file is read again with four times as much. */
const FIRST_BYTES = 1 << 20

/**
 * Reads and checks the header of a GGUF file. The file is data from outside: every size is held
 * against the file before it is used, and tensors may neither overlap nor reach beyond its end.
 * @throws KV_MODEL_FILE for anything that does not hold together, KV_UNSUPPORTED_MODEL for tensor types that are not read.
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw kvError('KV_MODEL_FILE', `Could not open ${path}: ${cause.message}.`, 'Check the path.')
  })
  try {
    const status = await file.stat()
    if (!status.isFile())
      throw kvError('KV_MODEL_FILE', `Expected a GGUF file at ${path}, but there is a folder of that name.`)
    for (let bytes = FIRST_BYTES; ; bytes *= 4)
      try {
        return parse(path, await firstBytes(file, Math.min(bytes, status.size)), status.size)
      } catch (cause) {
        if (!(cause instanceof NeedsMore) || bytes >= status.size) throw cause
      }
  } finally {
    await file.close()
  }
}

async function firstBytes(file: FileHandle, count: number): Promise<Buffer> {
  const bytes = Buffer.alloc(count)
  const { bytesRead } = await file.read(bytes, 0, count, 0)
  return bytes.subarray(0, bytesRead)
}

const MAGIC = 'GGUF'
const DEFAULT_ALIGNMENT = 32
/** A key of no letters, a type and a value; a name, no dimensions, a type and a place. */
const SMALLEST_KEY = 13
const SMALLEST_TENSOR = 24

function parse(path: string, bytes: Buffer, fileBytes: number): GgufHeader {
  const fail = failIn(path, bytes.toString('latin1', 0, 64))
  if (bytes.toString('latin1', 0, 4) !== MAGIC) throw fail('it does not begin as one')
  const header = new HeaderBytes(bytes, fileBytes, fail)
  header.u32()
  const version = header.u32()
  if (version !== 2 && version !== 3)
    throw fail(
      version > 0xffff
        ? 'its numbers are big-endian, which is not read'
        : `it is of version ${version}; 2 and 3 are read`,
    )
  const tensorCount = header.count('tensors', SMALLEST_TENSOR)
  const metadata = readMetadata(header, fail)
  const infos = Array.from({ length: tensorCount }, () => ({
    name: header.text(),
    sides: Array.from({ length: dimensions(header.u32(), fail) }, header.u64),
    type: header.u32(),
    offset: header.u64(),
  }))
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT
  if (!isPowerOfTwo(alignment))
    throw fail(`general.alignment is ${describeValue(alignment)} and no power of two`)
  const dataStart = Math.ceil(header.at / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  for (const { name, sides, type, offset } of infos) {
    if (tensors.has(name)) throw fail(`it names the tensor ${quote(name)} twice`)
    const known = blockTypes.get(type)
    if (!known) throw unreadType(path, name, type)
    const tensor = place(known, sides.map(Number).reverse(), dataStart + Number(offset), quote(name), fail)
    if (tensor.offset + tensor.bytes > fileBytes)
      throw fail(
        `tensor ${quote(name)} ends at byte ${tensor.offset + tensor.bytes} of a file of ${fileBytes} (cut off)`,
      )
    tensors.set(name, tensor)
  }
  checkOverlaps(tensors, fail)
  return { path, metadata, tensors }
}

function readMetadata(header: HeaderBytes, fail: Fail): Map<string, unknown> {
  const metadata = new Map<string, unknown>()
  for (let left = header.count('keys', SMALLEST_KEY); left > 0; left--) {
    const key = header.text()
    if (metadata.has(key)) throw fail(`its header has the key ${quote(key)} twice`)
    metadata.set(key, header.value(header.u32()))
  }
  return metadata
}

type Fail = (what: string) => Error

const failIn =
  (path: string, start: string): Fail =>
  (what) =>
    kvError(
      'KV_MODEL_FILE',
      `Expected a GGUF file at ${path}, but ${what}.`,
      `${damagedFileAdvice(start)} GGUF files of version 2 and 3 are read.`,
    )

const quote = (name: string) => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)

function dimensions(count: number, fail: Fail): number {
  if (count >= 1 && count <= 4) return count
  throw fail(`a tensor has ${count} dimensions; the format allows 1 to 4`)
}

const isPowerOfTwo = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) > 0 && Number.isInteger(Math.log2(Number(value)))

const unreadType = (path: string, name: string, type: number) =>
  kvError(
    'KV_UNSUPPORTED_MODEL',
    `Expected a known type for tensor ${quote(name)} in ${path} but received ${typeName(type)}.`,
    `Types that are read: ${[...blockTypes.values()].map((known) => known.name).join(', ')}. Use a file that is quantized to one of them, such as Q4_K_M or Q8_0.`,
  )

function place(type: BlockType, shape: number[], offset: number, name: string, fail: Fail): GgufTensor {
  const count = shape.reduce((product, size) => product * size, 1)
  const bytes = (count / type.values) * type.bytes
  if (
    shape.some((size) => size < 1) ||
    !Number.isSafeInteger(count * type.bytes) ||
    !Number.isSafeInteger(offset)
  )
    throw fail(`tensor ${name} has the impossible shape [${shape.join(', ')}] or place ${offset}`)
  if ((shape.at(-1) ?? 0) % type.values !== 0)
    throw fail(
      `tensor ${name} has rows of ${shape.at(-1)} values, no multiple of the ${type.values} of a ${type.name} block`,
    )
  return { type, shape, offset, bytes }
}

function checkOverlaps(tensors: ReadonlyMap<string, GgufTensor>, fail: Fail): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset)
  for (const [i, [name, tensor]] of sorted.entries()) {
    const next = sorted[i + 1]
    if (next && tensor.offset + tensor.bytes > next[1].offset)
      throw fail(`tensors ${quote(name)} and ${quote(next[0])} overlap`)
  }
}
