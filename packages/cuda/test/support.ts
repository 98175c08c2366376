import { join } from 'node:path'

const built = (name: string) => join(import.meta.dirname, '..', 'build', name)

/** The kernels as C++ on the host; `npm run cuda:test` builds it, and the program that times ops. */
export const executor = built('qpkv_cuda_executor.so')
export const deviceBench = built('qpkv_device_bench')
