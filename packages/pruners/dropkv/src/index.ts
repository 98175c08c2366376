export { dropkv, dropkv as default } from './dropkv.ts'
