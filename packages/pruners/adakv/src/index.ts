export { adakv, adakv as default } from './adakv.ts'
export { ada } from './ada.ts'
