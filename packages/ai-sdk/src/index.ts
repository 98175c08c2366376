export { qpkv } from './provider.ts'
export type { QpkvModel } from './provider.ts'
export type { QpkvCallOptions } from './language-model.ts'
