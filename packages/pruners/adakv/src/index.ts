export { adakv, adakv as default } from './adakv.ts'
