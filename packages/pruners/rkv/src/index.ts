export { rkv, rkv as default } from './rkv.ts'
