export { int8, int8 as default } from './int8.ts'
