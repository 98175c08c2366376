import { open } from 'node:fs/promises'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { damagedFileAdvice } from './damaged-file.ts'
import { duplicateKey } from './duplicate-keys.ts'

/** One tensor as the header of a safetensors file describes it. */
export interface TensorEntry {
  readonly dtype: string
  readonly shape: readonly number[]
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly bytes: number
}

export interface SafetensorsHeader {
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

// Bits, because the newest types are smaller than a byte.
const dtypeBits: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
}

const LENGTH_BYTES = 8
/** Enough to see what a file is that is no safetensors file. */
const START_BYTES = 64
/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000

/**
 * Reads and checks the header of a safetensors file: an 8-byte little-endian length, a
 * JSON object, then data. Tensor data is never read.
 * @throws KV_MODEL_FILE for anything that does not hold together.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw kvError(
      'KV_MODEL_FILE',
      `Could not open ${path}: ${cause.message}.`,
      'If the file is missing, the folder is incomplete: download what its index names.',
    )
  })
  try {
    const status = await file.stat()
    if (!status.isFile()) throw failIn(path)('there is a folder of that name')
    const { size } = status
    const start = Buffer.alloc(Math.min(size, START_BYTES))
    await file.read(start, 0, start.length, 0)
    const fail = failIn(path, start.toString('latin1'))
    if (size < LENGTH_BYTES) throw fail(`the file has ${size} bytes, too few for a header`)
    const length = Number(start.readBigUInt64LE())
    if (length > MAX_HEADER_BYTES)
      throw fail(`its header claims ${length} bytes; the format allows ${MAX_HEADER_BYTES}`)
    if (LENGTH_BYTES + length > size)
      throw fail(
        `its header claims ${length} bytes, but the file has only ${size} (cut off, or another format)`,
      )
    const text = Buffer.alloc(length)
    await file.read(text, 0, length, LENGTH_BYTES)
    return parseSafetensorsHeader(path, text, size)
  } finally {
    await file.close()
  }
}

/** Checks the JSON part of a header; `fileBytes` is the size of the whole file. */
export function parseSafetensorsHeader(path: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const fail = failIn(path)
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json)
    value = JSON.parse(text)
  } catch (cause) {
    throw fail(`its header is no JSON (${(cause as Error).message})`)
  }
  if (!isPlainObject(value)) throw fail('its header is no JSON object')
  const twice = duplicateKey(text)
  if (twice !== undefined) throw fail(`its header names ${quote(twice)} twice`)

  const dataStart = LENGTH_BYTES + json.length
  const tensors = new Map<string, TensorEntry>()
  let metadata: Record<string, string> = {}
  for (const [name, entry] of Object.entries(value)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, fail)
    else tensors.set(name, parseEntry(name, entry, dataStart, fileBytes, fail))
  }
  checkOverlaps(tensors, fail)
  return { path, tensors, metadata }
}

type Fail = (what: string) => Error

const failIn =
  (path: string, start = ''): Fail =>
  (what) =>
    kvError('KV_MODEL_FILE', `Expected a safetensors file at ${path}, but ${what}.`, damagedFileAdvice(start))

const quote = (name: string) => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)

function parseMetadata(entry: unknown, fail: Fail): Record<string, string> {
  if (!isPlainObject(entry)) throw fail('its __metadata__ is no object')
  return Object.fromEntries(
    Object.entries(entry).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}

function parseEntry(
  name: string,
  entry: unknown,
  dataStart: number,
  fileBytes: number,
  fail: Fail,
): TensorEntry {
  const where = `tensor ${quote(name)}`
  if (!isPlainObject(entry)) throw fail(`${where} is no object`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBits, dtype))
    throw fail(`${where} has the unknown type ${describeValue(dtype)}`)
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw fail(`${where} has a shape that is no list of sizes`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw fail(`${where} has data_offsets that are no two byte positions`)
  const [begin, end] = offsets as [number, number]
  if (end < begin) throw fail(`${where} ends at byte ${end} before it begins at ${begin}`)
  if (dataStart + end > fileBytes)
    throw fail(`${where} ends at byte ${dataStart + end} of a file of ${fileBytes} (cut off)`)
  const bits = shape.reduce((product: bigint, size) => product * BigInt(size), BigInt(dtypeBits[dtype] ?? 0))
  if (bits !== BigInt(end - begin) * 8n)
    throw fail(
      `${where} of shape ${describeValue(shape)} and type ${dtype} needs ${bits / 8n} bytes but has ${end - begin}`,
    )
  return { dtype, shape, offset: dataStart + begin, bytes: end - begin }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function checkOverlaps(tensors: ReadonlyMap<string, TensorEntry>, fail: Fail): void {
  const filled = [...tensors].filter(([, entry]) => entry.bytes > 0)
  filled.sort(([, a], [, b]) => a.offset - b.offset)
  for (let i = 1; i < filled.length; i++) {
    const [before, after] = [filled[i - 1], filled[i]]
    if (before && after && before[1].offset + before[1].bytes > after[1].offset)
      throw fail(`tensors ${quote(before[0])} and ${quote(after[0])} overlap`)
  }
}
