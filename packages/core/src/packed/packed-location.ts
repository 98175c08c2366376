import { createHash } from 'node:crypto'
import { mkdir, realpath, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { NativeModelDescription, NativePackedLocation } from '../native/addon.ts'
import type { PackedMatrix } from '../weights/packed-matrices.ts'
import { packedBytes } from '../weights/weight-bytes.ts'
import type { WeightsMode } from '../weights/weights-mode.ts'
import { makeRoom, packedName, type PackedInfo } from './packed-files.ts'
import { packedSettings } from './packed-settings.ts'

/** Of the layout in native/ops/weight_layout.h and of how values are rounded: another version is another file. */
const PACKING_VERSION = 1
/** Smaller models are packed in no time. */
const LEAST_BYTES = 64 * 2 ** 20
const MATRIX_ALIGN = 64

/** A model whose matrices are to be packed. */
export interface PackedRequest {
  readonly path: string
  readonly description: NativeModelDescription
  readonly matrices: readonly PackedMatrix[]
  readonly weights: WeightsMode
  /** A folder in place of the usual one; true: however small; false: nowhere. */
  readonly cache: string | boolean | undefined
}

/** Where a model's packed weights stand or will stand; undefined where they are kept nowhere. */
export async function packedLocation(request: PackedRequest): Promise<NativePackedLocation | undefined> {
  const { path, description, matrices, weights, cache } = request
  if (cache === false) return undefined
  const bytes = matrices.reduce((sum, matrix) => sum + alignUp(packedBytes(matrix)), 0)
  if (cache === undefined && bytes < LEAST_BYTES) return undefined
  const { folder, limit } = packedSettings(typeof cache === 'string' ? cache : undefined)
  if (folder === undefined) return undefined
  const key = await keyOf(description)
  const info: PackedInfo = { key, model: await realpath(path), precision: description.precision, weights }
  const location = { path: join(folder, packedName(key)), info: JSON.stringify(info), bytes }
  if (await touch(location.path)) return location
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch {
    return undefined // nothing can be kept there: the weights are packed into memory
  }
  return (await makeRoom(folder, bytes, limit)) ? location : undefined
}

const alignUp = (bytes: number): number => Math.ceil(bytes / MATRIX_ALIGN) * MATRIX_ALIGN

/**
 * Packed weights follow from the files (path, size, time and inode), from where which tensors stand in them (what their
 * headers say) and from the formats that they are packed in.
 */
async function keyOf({ files, tensors, formats }: NativeModelDescription): Promise<string> {
  const facts = []
  for (const file of files) {
    const path = await realpath(file)
    const { size, mtimeNs, ino, dev } = await stat(path, { bigint: true })
    facts.push([path, ...[size, mtimeNs, ino, dev].map(String)])
  }
  const content = JSON.stringify({ version: PACKING_VERSION, files: facts, tensors, formats })
  return createHash('sha256').update(content).digest('hex').slice(0, 32)
}

/** Notes that a file is used now; false where it is not there. */
async function touch(path: string): Promise<boolean> {
  const now = new Date()
  return utimes(path, now, now).then(
    () => true,
    () => false,
  )
}
