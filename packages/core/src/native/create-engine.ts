import { expected } from '@qpkv/spec'
import { fromNative } from '../errors.ts'
import type { BackendDevice } from '../load-model.ts'
import type { NativeEngine } from './addon.ts'
import { loadAddon } from './load-addon.ts'

/** `QPKV_CORE_BACKEND`: the library of another backend than the CPU's, where neither device nor table is given. */
export function createEngine(
  threads: number,
  table?: string,
  device?: Pick<BackendDevice, 'library' | 'index'>,
): NativeEngine {
  const { addon } = loadAddon()
  const library = device?.library ?? (table === undefined ? process.env['QPKV_CORE_BACKEND'] : undefined)
  if (library) {
    try {
      return addon.createEngine({ threads, library, device: device?.index ?? 0 })
    } catch (cause) {
      throw fromNative(cause)
    }
  }
  const tables = addon.opTables()
  if (table !== undefined && !tables.includes(table))
    throw expected(
      `one of ${tables.join(', ')}`,
      'table',
      table,
      'KV_INVALID_OPTION',
      'Other CPUs offer other tables.',
    )
  return addon.createEngine({ threads, ...(table !== undefined && { table }) })
}
