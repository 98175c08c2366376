import { fromNative } from '../errors.ts'
import type { BackendDevice } from '../load-model.ts'
import { loadAddon } from './load-addon.ts'

/**
 * The devices of a backend's shared library, for packages that bring one.
 * @throws KV_UNSUPPORTED where it is none of this version, or can do nothing on this machine.
 */
export function backendDevices(library: string): BackendDevice[] {
  try {
    return loadAddon()
      .addon.backendDevices(library)
      .map(({ name, memoryBytes }, index) => ({ library, index, name, memoryBytes }))
  } catch (cause) {
    throw fromNative(cause)
  }
}
