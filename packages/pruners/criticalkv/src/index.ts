export { criticalkv, criticalkv as default } from './criticalkv.ts'
export { criticalAda } from './critical-ada.ts'
