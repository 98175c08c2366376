export { lagkv, lagkv as default } from './lagkv.ts'
