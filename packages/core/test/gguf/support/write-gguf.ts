/** A value of the metadata with its type in the file. */
export type MetadataValue =
  | { readonly u32: number }
  | { readonly u64: number }
  | { readonly i32: number }
  | { readonly f32: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] }
  | { readonly f32s: readonly number[] }

export interface WrittenTensor {
  readonly name: string
  /** Outermost first. */
  readonly shape: readonly number[]
  /** Number of the type in the file. */
  readonly type: number
  readonly data: Uint8Array
}

const ALIGNMENT = 32

/** The bytes of a GGUF file of version 3. */
export function writeGguf(
  metadata: Readonly<Record<string, MetadataValue>>,
  tensors: readonly WrittenTensor[],
): Buffer {
  const parts: Buffer[] = [
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(Object.keys(metadata).length),
  ]
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), encode(value))
  let offset = 0
  for (const { name, shape, type, data } of tensors) {
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(offset))
    offset += padded(data.length)
  }
  const header = Buffer.concat(parts)
  const body = tensors.map(({ data }) =>
    Buffer.concat([data, Buffer.alloc(padded(data.length) - data.length)]),
  )
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length), ...body])
}

const padded = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])
const list = (type: number, entries: readonly Buffer[]) =>
  Buffer.concat([u32(9), u32(type), u64(entries.length), ...entries])

function encode(value: MetadataValue): Buffer {
  if ('u32' in value) return Buffer.concat([u32(4), u32(value.u32)])
  if ('u64' in value) return Buffer.concat([u32(10), u64(value.u64)])
  if ('i32' in value) return Buffer.concat([u32(5), i32(value.i32)])
  if ('f32' in value) return Buffer.concat([u32(6), f32(value.f32)])
  if ('bool' in value) return Buffer.concat([u32(7), Buffer.from([value.bool ? 1 : 0])])
  if ('text' in value) return Buffer.concat([u32(8), text(value.text)])
  if ('texts' in value) return list(8, value.texts.map(text))
  if ('i32s' in value) return list(5, value.i32s.map(i32))
  return list(6, value.f32s.map(f32))
}
