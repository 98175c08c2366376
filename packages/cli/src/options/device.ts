import type { BackendDevice } from '@qpkv/core'
import type * as cuda from '@qpkv/cuda'
import { expected, KvError } from '@qpkv/spec'

/** `--device`: cpu, auto, cuda or cuda:N. @throws KV_INVALID_OPTION, KV_UNSUPPORTED. */
export async function openDevice(text = 'cpu'): Promise<'cpu' | BackendDevice> {
  if (text === 'cpu') return 'cpu'
  if (text === 'auto') return (await firstGpu()) ?? 'cpu'
  const index = /^cuda(?::(\d+))?$/.exec(text)
  if (!index) throw expected('cpu, auto, cuda or cuda:N', '--device', text)
  const backend = await cudaPackage()
  if (!backend)
    throw new KvError(
      'KV_UNSUPPORTED',
      `--device ${text} needs the package @qpkv/cuda, which is not installed.`,
      {
        hint: 'Type: npm install @qpkv/cuda',
      },
    )
  return backend.cuda(Number(index[1] ?? 0))
}

async function firstGpu(): Promise<BackendDevice | undefined> {
  const found = (await cudaPackage())?.cudaDevices()
  return found && 'devices' in found ? found.devices[0] : undefined
}

/** @qpkv/cuda, where it is installed. */
export async function cudaPackage(): Promise<typeof cuda | undefined> {
  try {
    return await import('@qpkv/cuda')
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw cause
  }
}
