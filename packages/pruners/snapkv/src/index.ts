export { snapkv, snapkv as default } from './snapkv.ts'
