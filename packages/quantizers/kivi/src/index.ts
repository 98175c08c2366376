export { kivi, kivi as default } from './kivi.ts'
