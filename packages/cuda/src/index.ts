export { cuda } from './cuda.ts'
export { cudaDevices, type CudaDevices } from './cuda-devices.ts'
