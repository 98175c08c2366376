import type { BackendDevice } from '@qpkv/core'
import { expected, KvError } from '@qpkv/spec'
import { cudaDevices } from './cuda-devices.ts'

/**
 * A GPU for `loadModel(folder, { device: cuda(0) })`.
 * @param index as nvidia-smi counts them, after CUDA_VISIBLE_DEVICES
 * @throws KV_UNSUPPORTED where there is no GPU, driver or library; KV_INVALID_OPTION for a number that none has.
 */
export function cuda(index = 0): BackendDevice {
  if (!Number.isSafeInteger(index) || index < 0) throw expected('a whole number from 0', 'cuda', index)
  const found = cudaDevices()
  if ('whyNot' in found)
    throw new KvError('KV_UNSUPPORTED', `There is no GPU to use: ${found.whyNot}`, { hint: found.hint })
  const device = found.devices[index]
  if (device === undefined)
    throw expected(`at most ${found.devices.length - 1}, the last GPU of this machine`, 'cuda', index)
  return device
}
