import { join } from 'node:path'

const built = (name: string) => join(import.meta.dirname, '..', 'build', name)

/** The kernels as C++ on the host; `npm run cuda:test` builds it, and the program that times ops. */
export const executor = built('qpkv_cuda_executor.so')
export const deviceBench = built('qpkv_device_bench')

/** What is opened in the place of cuBLASLt, whole and without one of its functions. */
export const fakeCublasLt = built('qpkv_fake_cublas_lt.so')
export const fakeWithoutMatmul = built('qpkv_fake_cublas_lt_without.so')

/** Core's op suite. */
export const nativeTests = join(import.meta.dirname, '..', '..', 'core', 'build-test', 'qpkv_native_test')
