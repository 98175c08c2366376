import { backendDevices, type BackendDevice } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
import { findLibrary, platformPackage } from './find-library.ts'

/** The GPUs of this machine, or why there is none to be used. */
export type CudaDevices =
  { readonly devices: readonly BackendDevice[] } | { readonly whyNot: string; readonly hint: string }

/** Looks for GPUs; throws nothing. */
export function cudaDevices(): CudaDevices {
  const library = findLibrary()
  if (library === undefined)
    return {
      whyNot: `there is no CUDA library for ${process.platform} ${process.arch}`,
      hint: `Install ${platformPackage()}, which comes with @qpkv/cuda unless optional dependencies are left out; only Linux with glibc has one.`,
    }
  try {
    return { devices: backendDevices(library) }
  } catch (cause) {
    if (!KvError.isInstance(cause)) throw cause
    return { whyNot: cause.message, hint: hintFor(cause.message) }
  }
}

function hintFor(message: string): string {
  if (message.includes('another version'))
    return 'Install the same version of @qpkv/core and @qpkv/cuda: npm update.'
  if (message.includes('driver')) return 'See what nvidia-smi says; docs/cuda.md names the drivers that work.'
  return "Use device: 'cpu', or see docs/cuda.md."
}
