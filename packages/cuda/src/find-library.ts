import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

/** Folder of this package, from `src/*.ts` and from `dist/index.js` alike. */
const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The package that holds the prebuilt library of this system. */
export const platformPackage = (): string => `@qpkv/cuda-${process.platform}-${process.arch}-gnu`

/**
 * Path of the library: that of QPKV_CUDA_LIBRARY, the build in the checkout, or the prebuilt platform package; undefined
 * where there is none.
 */
export function findLibrary(env: Record<string, string | undefined> = process.env): string | undefined {
  const given = env['QPKV_CUDA_LIBRARY']
  if (given) return resolve(given)
  const build = join(root, 'build', 'qpkv_cuda.so')
  if (existsSync(build)) return build
  try {
    return require.resolve(platformPackage())
  } catch {
    return undefined
  }
}
